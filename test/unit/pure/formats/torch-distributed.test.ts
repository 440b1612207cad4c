/**
 * Distributed checkpoints of PyTorch: every archive of a file is read, under the name that the metadata
 * beside it gives (test/fixtures/torch/make_distributed.py). Without it tensors are numbered.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import test from 'ava';
import { type ByteSource, MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { isDamage } from '../../../../lib/base/errors.js';
import { readLayout } from '../../../../lib/pure/formats/detect.js';
import type { Neighbours } from '../../../../lib/pure/formats/format.js';
import type { FileLayout } from '../../../../lib/pure/tensor/layout.js';
import { tensorBytes } from '../../../helpers/layouts.js';
import { fixture } from '../../../helpers/paths.js';
import {
  dictProgram,
  FLOATS,
  integer,
  tensor,
  text,
  torchArchive,
} from '../../../helpers/pickle.js';

const SHARDS = ['__0_0.distcp', '__1_0.distcp'];
const read = (name: string): Buffer => fs.readFileSync(fixture('torch', 'distributed', name));

/** A folder in memory. */
class MemoryFolder implements Neighbours {
  readonly #files: Record<string, Uint8Array>;

  constructor(files: Record<string, Uint8Array>) {
    this.#files = files;
  }

  async parsed<T>(name: string, parse: (source: ByteSource) => Promise<T>): Promise<T | null> {
    const bytes = this.#files[name];
    if (bytes === undefined) return null;
    return parse(new MemorySource(bytes, name)).catch((error) => {
      if (isDamage(error)) return null;
      throw error;
    });
  }
}

function layoutOf(name: string, bytes: Uint8Array, metadata?: Uint8Array): Promise<FileLayout> {
  const neighbours = new MemoryFolder(metadata === undefined ? {} : { '.metadata': metadata });
  const source = new MemorySource(bytes, `ck/${name}`);
  return readLayout(source, undefined, { strict: true, neighbours });
}

const names = ({ tensors }: FileLayout): string[] => tensors.map(({ name }) => name);

test('distributed: every piece has the name, place and values that PyTorch gave it', async (t) => {
  interface Piece {
    name: string;
    shape: number[];
    sha256: string;
  }
  const pieces = JSON.parse(read('pieces.json').toString()) as Piece[];
  const found = new Map<string, unknown>();
  for (const file of SHARDS) {
    const bytes = read(file);
    const layout = await layoutOf(file, bytes, read('.metadata'));
    t.is(layout.format, 'torch');
    t.deepEqual(layout.warnings, []);
    for (const tensor of layout.tensors) {
      t.is(tensor.role, tensor.name.startsWith('optim.') ? 'optimizer' : 'weights');
      const elements = await tensorBytes(new MemorySource(bytes, file), layout, tensor);
      const digest = createHash('sha256').update(elements).digest('hex');
      found.set(tensor.name, [tensor.dtype, tensor.shape, digest]);
    }
  }
  for (const { name, shape, sha256 } of pieces)
    t.deepEqual(found.get(name), ['F32', shape, sha256]);
  t.is(found.size, pieces.length);
});

test('distributed: the metadata names the files of the checkpoint, the pickle of a step its step', async (t) => {
  const layout = await readLayout(new MemorySource(read('.metadata'), '.metadata'));
  t.is(layout.format, 'torch-distributed');
  t.deepEqual(layout.references, SHARDS);
  const steps = await Promise.all(
    SHARDS.map(async (file) => (await layoutOf(file, read(file), read('.metadata'))).step),
  );
  t.deepEqual(
    steps.filter((step) => step !== null),
    [300],
  );
});

test('distributed: without metadata, or with that of another file, tensors are numbered', async (t) => {
  const [file] = SHARDS as [string];
  const bytes = read(file);
  const alone = await layoutOf(file, bytes);
  t.deepEqual(names(alone), ['archive.0', 'archive.1', 'archive.2']);
  t.regex(alone.warnings.join(), /^is 3 archives, one after another; no '\.metadata' file/);
  t.deepEqual(names(await layoutOf('other.distcp', bytes, read('.metadata'))), names(alone));
  t.deepEqual(names(await layoutOf(file, bytes, read('.metadata').subarray(0, 500))), names(alone));
  // Of another step: the pieces end behind the file's end.
  const shorter = await layoutOf(
    file,
    torchArchive(dictProgram({ w: tensor() })),
    read('.metadata'),
  );
  t.deepEqual(names(shorter), ['w']);
});

/** Metadata by hand: pieces of whole objects. */
function metadata(items: { name: string; file: string; offset: number; length: number }[]): Buffer {
  const made = (module: string, name: string, fields: Record<string, string>): string => {
    const pairs = Object.entries(fields).map(([key, value]) => text(key) + value);
    return `c${module}\n${name}\n)\x81}(${pairs.join('')}ub`;
  };
  const own = 'torch.distributed.checkpoint.metadata';
  const entries = items.map(({ name, file, offset, length }) => {
    const place = { relative_path: text(file), offset: integer(offset), length: integer(length) };
    return (
      made(own, 'MetadataIndex', { fqn: text(name) }) +
      made('torch.distributed.checkpoint.filesystem', '_StorageInfo', place)
    );
  });
  const root = made(own, 'Metadata', { storage_data: `}(${entries.join('')}u` });
  return Buffer.from(`\x80\x02${root}.`, 'latin1');
}

/** A program that is one tensor. */
const bare = `\x80\x02${tensor()}.`;

test('distributed: a piece that is no archive is named, the others are read', async (t) => {
  const archives = [torchArchive(bare), torchArchive(dictProgram({ a: tensor() }))];
  const [first, last] = archives as [Buffer, Buffer];
  const gap = Buffer.from('compressed by something else');
  const file = Buffer.concat([first, gap, last]);
  const items = [
    { name: 'net.w', file: 'x.distcp', offset: 0, length: first.length },
    { name: 'net.z', file: 'x.distcp', offset: first.length, length: gap.length },
    { name: 'state', file: 'x.distcp', offset: first.length + gap.length, length: last.length },
  ];
  const layout = await layoutOf('x.distcp', file, metadata(items));
  t.deepEqual(names(layout), ['net.w', 'state.a']);
  t.deepEqual(layout.warnings, [
    "holds pieces that are no archives and are kept as opaque bytes: 'net.z'",
  ]);
  const overlapping = items.map((item) => ({ ...item, length: item.length + 1 }));
  const last2 = await layoutOf('x.distcp', file, metadata(overlapping));
  t.deepEqual(names(last2), ['archive.0.a']);
  t.regex(last2.warnings.join(), /^begins with \d+ bytes that are no archive/);
});

test('distributed: metadata that lies about its pieces is told', async (t) => {
  const broken = metadata([{ name: 'w', file: 'x.distcp', offset: -1, length: 4 }]);
  const layout = await readLayout(new MemorySource(broken, '.metadata'));
  t.is(layout.format, 'blob');
  t.regex(layout.warnings.join(), /a piece without a place/);
});

test('distributed: joined archives of two saves are both read', async (t) => {
  const save = (value: number): Buffer => {
    return torchArchive(dictProgram({ w: tensor() }), {
      'data/0': Buffer.alloc(FLOATS.length, value),
    });
  };
  const bytes = Buffer.concat([save(1), save(2)]);
  const layout = await layoutOf('two.pt', bytes);
  const values = await Promise.all(
    layout.tensors.map(async (found) => {
      return [found.name, (await tensorBytes(new MemorySource(bytes), layout, found))[0]];
    }),
  );
  t.deepEqual(values, [
    ['archive.0.w', 1],
    ['archive.1.w', 2],
  ]);
});
