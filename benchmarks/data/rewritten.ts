/**
 * The same weights written otherwise: pairs of files, the second of which follows from the first or
 * nearly does. Seeded; as safetensors, and as npz where the container changes.
 */
import { crc32 } from '../../lib/base/bytes/checksum.js';
import { type Cast, castPlanes } from '../../lib/pure/codec/cast.js';
import { mergePlanes, splitPlanes } from '../../lib/pure/tensor/planes.js';

/** A tensor of a file. */
interface Tensor {
  name: string;
  dtype: 'F32' | 'F16' | 'BF16' | 'I8' | 'U8';
  shape: number[];
  data: Uint8Array;
}

/** A file to store, and what is stored after it. */
export interface RewrittenCase {
  what: string;
  first: { name: string; bytes: Uint8Array };
  second: { name: string; bytes: Uint8Array };
}

/** About normal numbers, seeded: sums of four uniform ones. */
class Weights {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  #uniform(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }

  next(spread: number): number {
    return spread * (this.#uniform() + this.#uniform() + this.#uniform() + this.#uniform() - 2);
  }

  values(count: number, spread: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.next(spread));
  }

  tensor(name: string, shape: number[], spread = 0.05): Tensor {
    const count = shape.reduce((all, length) => all * length, 1);
    return tensorOf(name, shape, this.values(count, spread));
  }
}

function tensorOf(name: string, shape: number[], values: Float32Array): Tensor {
  return { name, dtype: 'F32', shape, data: new Uint8Array(values.buffer) };
}

function valuesOf({ data }: Tensor): Float32Array {
  return new Float32Array(data.buffer, data.byteOffset, data.length / 4);
}

function safetensors(tensors: readonly Tensor[]): Uint8Array {
  const header: Record<string, object> = {};
  let at = 0;
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(8 * Math.ceil(text.length / 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...tensors.map(({ data }) => data)]);
}

function npy({ shape, data }: Tensor): Buffer {
  const dims = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${dims}, }`;
  const padded = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const head = Buffer.from(`\x93NUMPY\x01\x00..${padded}`, 'latin1');
  head.writeUInt16LE(padded.length, 8);
  return Buffer.concat([head, data]);
}

/** A zip archive of arrays, not compressed. */
function npz(tensors: readonly Tensor[]): Uint8Array {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const tensor of tensors) {
    const data = npy(tensor);
    const name = Buffer.from(`${tensor.name}.npy`);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, name, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, tail, name]));
    files.push(local);
    at += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(tensors.length, 4);
  end.writeUInt16LE(tensors.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...files, central, Buffer.from('PK\x05\x06'), end]);
}

function cast(tensor: Tensor, dtype: 'F16' | 'BF16'): Tensor {
  const planes = splitPlanes(tensor.data, 4);
  const count = tensor.data.length / 4;
  const target = [new Uint8Array(count), new Uint8Array(count)];
  castPlanes(`F32→${dtype}` satisfies Cast, planes, target);
  const data = new Uint8Array(2 * count);
  mergePlanes(target, 2, data);
  return { ...tensor, dtype, data };
}

function transposed(tensor: Tensor, name: string): Tensor {
  const [rows, columns] = tensor.shape as [number, number];
  const from = valuesOf(tensor);
  const to = new Float32Array(from.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c] as number;
  }
  return tensorOf(name, [columns, rows], to);
}

/** Rows times factors, as when a normalization is folded into the weights before it. */
function scaled(tensor: Tensor, name: string): Tensor {
  const length = tensor.data.length / 4 / (tensor.shape[0] as number);
  const values = valuesOf(tensor).map(
    (value, i) => value * Math.fround(0.4 + Math.floor(i / length) / 97),
  );
  return tensorOf(name, tensor.shape, values);
}

/** What a quantiser makes of a tensor: whole numbers, and the floats that they stand for. */
interface Quantized {
  integers: Tensor;
  floats: Tensor;
}

/**
 * Quantises as exporters do: the largest magnitude of a tensor, or of each of its rows, becomes 127 (I8), or
 * the range from the least to the largest value becomes 0 … 255 with a zero point (U8).
 */
function quantized(tensor: Tensor, dtype: 'I8' | 'U8', byRow: boolean): Quantized {
  const values = valuesOf(tensor);
  const length = byRow ? values.length / (tensor.shape[0] as number) : values.length;
  const codes = new Uint8Array(values.length);
  const floats = new Float32Array(values.length);
  for (let from = 0; from < values.length; from += length) {
    const part = values.subarray(from, from + length);
    const [low, high] = part.reduce(
      ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
      [0, 0],
    );
    const isSigned = dtype === 'I8';
    const scale = Math.fround(isSigned ? Math.max(-low, high) / 127 : (high - low) / 255);
    const zero = isSigned ? 0 : Math.round(-low / scale);
    const [least, most] = isSigned ? [-127, 127] : [0, 255];
    for (const [i, value] of part.entries()) {
      const code = Math.min(Math.max(Math.round(Math.fround(value / scale)) + zero, least), most);
      codes[from + i] = code;
      floats[from + i] = Math.fround(scale * (code - zero));
    }
  }
  return {
    integers: { ...tensor, dtype, data: codes },
    floats: tensorOf(tensor.name, tensor.shape, floats),
  };
}

const DIM = 384;
const VOCABULARY = 30_522;
/** Rows that are fine-tuned, and added. */
const FEW = 8;

/** All cases, one after another: each is made when it is asked for. */
export function* rewrittenCases(): Generator<RewrittenCase> {
  const small = Array.from({ length: 8192 }, (_, i) =>
    new Weights(i + 1).tensor(`layer.${i}.weight`, [32, 32]),
  );
  const pair = (
    what: string,
    first: readonly Tensor[],
    second: readonly Tensor[],
    name = 'model.safetensors',
  ): RewrittenCase => {
    return {
      what,
      first: { name: 'model.safetensors', bytes: safetensors(first) },
      second: { name, bytes: name.endsWith('.npz') ? npz(second) : safetensors(second) },
    };
  };
  yield pair('8,192 tensors of 4 KiB in reverse order', small, [...small].reverse());
  const adapter = new Weights(3);
  const lora = Array.from({ length: 24 }, (_, i) => [
    adapter.tensor(`layers.${i}.q.lora_A.weight`, [8, 768], 0.02),
    adapter.tensor(`layers.${i}.q.lora_B.weight`, [768, 8], 0.001),
  ]).flat();
  yield pair('a LoRA adapter of rank 8 as npz', lora, lora, 'adapter.npz');

  const random = new Weights(5);
  const table = random.tensor('embeddings.weight', [VOCABULARY, DIM], 0.04);
  const layers = [0, 1].flatMap((i) => [
    random.tensor(`layer.${i}.up.weight`, [4 * DIM, DIM]),
    random.tensor(`layer.${i}.down.weight`, [DIM, 4 * DIM]),
  ]);
  const model = [table, ...layers];
  const tuned = valuesOf(table).slice();
  for (let i = 0; i < FEW * DIM; i++) tuned[i] = (tuned[i] as number) + random.next(1e-3);
  const more = random.values(FEW * DIM, 0.04);
  const withRows = (...parts: Float32Array[]): Tensor[] => {
    const rows = parts.reduce((sum, part) => sum + part.length, 0) / DIM;
    const values = new Float32Array(rows * DIM);
    let at = 0;
    for (const part of parts) {
      values.set(part, at);
      at += part.length;
    }
    return [tensorOf(table.name, [rows, DIM], values), ...layers];
  };
  yield pair('8 rows of an embedding fine-tuned', model, withRows(tuned));
  yield pair('the same, and 8 rows more', model, withRows(tuned, more));
  yield pair('the same, and 8 rows more in front', model, withRows(more, tuned));
  yield pair('the same, and 500 rows fewer', model, withRows(tuned.subarray(0, -500 * DIM)));
  for (const dtype of ['F16', 'BF16'] as const) {
    const copy = model.map((tensor) => cast(tensor, dtype));
    yield pair(`a ${dtype} copy`, model, copy, `model-${dtype.toLowerCase()}.safetensors`);
  }
  for (const [how, dtype, byRow] of [
    ['an int8 copy, one scale a tensor', 'I8', false],
    ['an int8 copy, a scale for each row', 'I8', true],
    ['a uint8 copy with zero points', 'U8', false],
  ] as const) {
    const made = model.map((tensor) => quantized(tensor, dtype, byRow));
    const integers = made.map((one) => one.integers);
    yield pair(how, model, integers, 'model-8bit.safetensors');
    if (byRow) continue;
    const floats = made.map((one) => one.floats);
    yield pair(`float32 values of ${how}`, integers, floats, 'dequantized.safetensors');
  }
  const exported = layers.map((tensor, i) => transposed(tensor, `onnx::MatMul_${100 + i}`));
  yield pair(
    'an export, linear weights transposed and renamed',
    model,
    [table, ...exported],
    'export.safetensors',
  );
  const folded = layers.map((tensor, i) => scaled(tensor, `onnx::Conv_${100 + i}`));
  yield pair('an export, rows scaled and renamed', model, [table, ...folded], 'export.safetensors');
}
