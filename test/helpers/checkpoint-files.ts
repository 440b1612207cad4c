/** One set of tensors in the formats in which people save checkpoints. */
import { dictProgram, tensor, torchArchive } from './pickle.js';
import { safetensors, type Tensors } from './safetensors.js';
import { buildZip } from './zip.js';

/** A `.npy` file of float32. */
export function npyFile(shape: readonly number[], values: Float32Array): Buffer {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  const header = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 0, 0]);
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(header), bytesOf(values)]);
}

export function npzFile(tensors: Tensors): Buffer {
  return buildZip(
    Object.entries(tensors).map(([name, { shape, values }]) => {
      return { name: `${name}.npy`, data: npyFile(shape, values) };
    }),
  );
}

/** A file of torch.save: a dict of tensors, each with a storage of its own. */
export function torchFile(tensors: Tensors): Buffer {
  const entries: Record<string, string> = {};
  const data: Record<string, Uint8Array> = {};
  for (const [i, [name, { shape, values }]] of Object.entries(tensors).entries()) {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    entries[name] = tensor({ key: String(i), count: values.length, shape: [...shape], strides });
    data[`data/${i}`] = bytesOf(values);
  }
  return torchArchive(dictProgram(entries), data);
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** The same tensors in another order. */
export function inOrder(tensors: Tensors, names: readonly string[]): Tensors {
  return Object.fromEntries(names.map((name) => [name, tensors[name] as Tensors[string]]));
}

/** Sorted by name, as safetensors writes them; in the order of modules, as torch.save; backwards. */
export function checkpointFiles(tensors: Tensors): Record<string, Buffer> {
  const names = Object.keys(tensors);
  return {
    'w.safetensors': safetensors(inOrder(tensors, [...names].sort())),
    'w.pt': torchFile(tensors),
    'w.npz': npzFile(inOrder(tensors, [...names].reverse())),
  };
}
