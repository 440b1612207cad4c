/** Writes checkpoints as safetensors, as PyTorch users save them. */
import type { Layer, Moments, Optimizer } from './mlp.js';

/** Bytes of a safetensors file of fp32 tensors. */
export function encodeSafetensors(
  tensors: readonly { name: string; shape: readonly number[]; values: Float32Array }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    const end = offset + values.byteLength;
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  const text = json.padEnd(Math.ceil(Buffer.byteLength(json) / 8) * 8, ' ');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const data = tensors.map(({ values }) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  return Buffer.concat([length, Buffer.from(text), ...data]);
}

/** A checkpoint of a network: fc1.weight, fc1.bias, … */
export function encodeWeights(
  layers: readonly Layer[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const tensors = layers.flatMap(({ weight, bias, inputs, outputs }, i) => [
    { name: `fc${i + 1}.weight`, shape: [outputs, inputs], values: weight },
    { name: `fc${i + 1}.bias`, shape: [outputs], values: bias },
  ]);
  return encodeSafetensors(tensors, { format: 'pt', ...metadata });
}

/**
 * The optimiser's state beside it, named as PyTorch names it: momentum_buffer of every parameter for
 * SGD, exp_avg and exp_avg_sq for Adam.
 */
export function encodeOptimizer(
  layers: readonly Layer[],
  moments: readonly Moments[],
  optimizer: Optimizer,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const tensors = layers.flatMap(({ inputs, outputs }, i) =>
    ['weight', 'bias'].flatMap((part, p) => {
      const shape = part === 'weight' ? [outputs, inputs] : [outputs];
      const { first, second } = moments[2 * i + p] as Moments;
      const name = `fc${i + 1}.${part}`;
      if (optimizer === 'sgd') return [{ name: `${name}.momentum_buffer`, shape, values: first }];
      return [
        { name: `${name}.exp_avg`, shape, values: first },
        { name: `${name}.exp_avg_sq`, shape, values: second },
      ];
    }),
  );
  return encodeSafetensors(tensors, { format: 'pt', ...metadata });
}
