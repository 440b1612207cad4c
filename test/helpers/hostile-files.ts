/**
 * Files whose description takes far more memory than bytes if a reader is careless: for each way in
 * which a format can say much with little. Each is a few MB of structure.
 */
import { tensor, text, torchArchive } from './pickle.js';
import { bytes, externalData, int, onnxModel, tensorProto } from './protobuf.js';
import { buildZip, type ZipPart } from './zip.js';

export interface HostileFile {
  /** Bytes of header, directory or program: what the memory may be in proportion to. */
  structureBytes: number;
  bytes: Buffer;
}

const file = (bytes: Buffer, structureBytes = bytes.length): HostileFile => ({
  bytes,
  structureBytes,
});

/** `count` times what `make` gives, as one text. */
function many(count: number, make: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => make(i)).join('');
}

function safetensors(count: number, entry: (i: number) => string, dataBytes = count): HostileFile {
  const header = Buffer.from(`{${many(count, (i) => (i === 0 ? '' : ',') + entry(i))}}`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return file(Buffer.concat([length, header, Buffer.alloc(dataBytes)]), header.length);
}

/** An archive whose program is `op`, `count` times. */
function pickle(op: string, count: number, before = '\x80\x02', after = 'N.'): HostileFile {
  const program = `${before}${op.repeat(count)}${after}`;
  return file(torchArchive(program, {}), program.length);
}

/** A .npy file of one float. */
function npyArray(): Buffer {
  const header = `${"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".padEnd(117)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
  return Buffer.concat([magic, length, Buffer.from(header), Buffer.alloc(4)]);
}

function archive(count: number, part: (i: number) => ZipPart): HostileFile {
  return file(
    buildZip(
      Array.from({ length: count }, (_, i) => part(i)),
      { zip64: true },
    ),
  );
}

function repeated(count: number, part: Buffer): Buffer {
  return Buffer.alloc(part.length * count, part);
}

/** Graphs inside graphs, each with one node; as deep as a reader goes. */
function nestedGraphs(depth: number): Buffer {
  let graph = bytes(5, tensorProto());
  for (let i = 0; i < depth; i++) {
    graph = bytes(1, bytes(4, 'If'), bytes(5, bytes(1, 'b'), bytes(6, graph)));
  }
  return graph;
}

/** By what they do. Sizes grow with `scale`; 1 is for tests of every day. */
export function hostileFiles(scale = 1): Record<string, () => HostileFile> {
  const n = (count: number): number => Math.floor(count * scale);
  const index = (i: number) => `${i ? ',' : ''}"k${i}":"s${i}"`;
  const data = npyArray();
  return {
    'safetensors: tiny tensors': () =>
      safetensors(
        n(60_000),
        (i) => `"${i}":{"dtype":"U8","shape":[],"data_offsets":[${i},${i + 1}]}`,
      ),
    'safetensors: 64 dimensions each': () =>
      safetensors(
        n(30_000),
        (i) => `"${i}":{"dtype":"U8","shape":[${'1,'.repeat(63)}1],"data_offsets":[${i},${i + 1}]}`,
      ),
    'safetensors: metadata': () =>
      safetensors(1, () => `"__metadata__":{${many(n(400_000), index)}}`, 0),
    'index: shards of one tensor each': () =>
      file(Buffer.from(`{"weight_map":{${many(n(300_000), index)}}}`)),
    'npz: tiny arrays': () => archive(n(20_000), (i) => ({ name: `${i}.npy`, data })),
    'npz: entries that are no arrays': () =>
      archive(n(20_000), (i) => ({ name: `${i}.npy`, data: data.subarray(0, 40) })),
    'npz: one name': () => archive(n(20_000), () => ({ name: 'a.npy', data })),
    'zip: empty entries': () =>
      archive(n(60_000), (i) => ({ name: `${i}`, data: data.subarray(0, 0) })),
    'pickle: marks': () => pickle('(', n(9e6)),
    'pickle: empty lists': () => pickle(']', n(5e6)),
    'pickle: empty tuples': () => pickle(')', n(5e6)),
    'pickle: empty dicts': () => pickle('}', n(5e6)),
    'pickle: empty sets': () => pickle('\x8f', n(5e6), '\x80\x04'),
    'pickle: empty texts': () => pickle('U\0', n(4e6)),
    'pickle: empty bytes': () => pickle('C\0', n(4e6)),
    'pickle: nones': () => pickle('N', n(9e6)),
    'pickle: one value on the stack again and again': () => pickle('2', n(9e6), 'N'),
    'pickle: lists of one': () => pickle(']Na', n(2e6)),
    'pickle: lists of two': () => pickle(']NaNa', n(15e5)),
    'pickle: dicts of one': () => pickle('}NNs', n(15e5)),
    'pickle: a tuple in a tuple': () => pickle('\x85', n(6e6), 'N'),
    'pickle: floats': () => pickle(`G${'\x01'.repeat(8)}`, n(8e5)),
    'pickle: long integers': () => pickle(`\x8a\x09${'\x7f'.repeat(9)}`, n(6e5)),
    'pickle: memo': () => pickle('\x94', n(8e6), '\x80\x04N'),
    'pickle: memo with gaps': () =>
      file(
        torchArchive(
          `N${many(n(800_000), (i) => {
            const at = Buffer.alloc(4);
            at.writeUInt32LE((i + 1) * 5);
            return `r${at.toString('latin1')}`;
          })}.`,
          {},
        ),
      ),
    'pickle: classes': () => pickle('ca\nb\n', n(12e5)),
    'pickle: calls': () => pickle('ca\nb\n)R', n(9e5)),
    'pickle: states': () => pickle('Nb', n(3e6), 'ca\nb\n)R'),
    'pickle: persistent ids': () => pickle('NQ', n(3e6)),
    'pickle: one storage seen by many names': () =>
      file(
        torchArchive(
          `\x80\x02${tensor()}q\0}(${many(n(100_000), (i) => `${text(String(i))}h\0`)}u.`,
        ),
      ),
    'pickle: long names that share a prefix': () =>
      file(
        torchArchive(
          `\x80\x02${tensor()}q\0}(${text('x'.repeat(1e6))}}(${many(n(50_000), (i) => `${text(String(i))}h\0`)}uu.`,
        ),
      ),
    'onnx: empty nodes': () => file(onnxModel(repeated(n(3e6), bytes(1)))),
    'onnx: empty attributes': () => file(onnxModel(bytes(1, repeated(n(3e6), bytes(5))))),
    'onnx: nodes with a graph': () =>
      file(onnxModel(repeated(n(5e5), bytes(1, bytes(5, bytes(6)))))),
    'onnx: empty initializers': () => file(onnxModel(repeated(n(3e6), bytes(5)))),
    'onnx: tiny initializers': () =>
      file(
        onnxModel(
          repeated(n(4e5), bytes(5, tensorProto({ name: '', dims: [1], raw: Buffer.alloc(4) }))),
        ),
      ),
    'onnx: external data of one tensor': () =>
      file(onnxModel(bytes(5, tensorProto({ raw: null, more: [repeated(n(2e6), bytes(13))] })))),
    'onnx: external data of many': () => {
      const more = externalData({ location: 'w' });
      return file(
        onnxModel(repeated(n(1e5), bytes(5, tensorProto({ name: '', raw: null, more })))),
      );
    },
    'onnx: values': () => file(onnxModel(repeated(n(3e6), bytes(13)))),
    'onnx: metadata': () => file(Buffer.concat([onnxModel(), repeated(n(3e6), bytes(14))])),
    'onnx: opsets and functions': () =>
      file(Buffer.concat([onnxModel(), repeated(n(1e6), Buffer.concat([bytes(8), bytes(25)]))])),
    'onnx: training graphs': () => file(Buffer.concat([onnxModel(), repeated(n(2e6), bytes(20))])),
    'onnx: dimensions of a sparse tensor': () =>
      file(onnxModel(bytes(15, repeated(n(3e6), int(3, 1))))),
    'onnx: graphs nested 99 deep, many times': () => {
      const one = nestedGraphs(99);
      return file(onnxModel(repeated(Math.floor(n(3e6) / one.length), one)));
    },
  };
}
