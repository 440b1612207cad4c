/**
 * Distributed checkpoints of PyTorch: every archive of a file is read, under the name that the metadata
 * beside it gives (test/fixtures/torch/make_distributed.py). Without it tensors are numbered.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import test from 'ava';
import { type ByteSource, MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { isDamage } from '../../../../lib/base/errors.js';
import { METADATA_MEMORY_FACTOR, RANK_MAX } from '../../../../lib/base/limits.js';
import { readLayout } from '../../../../lib/pure/formats/detect.js';
import type { Neighbours } from '../../../../lib/pure/formats/format.js';
import { MemoryBudget } from '../../../../lib/pure/formats/memory-budget.js';
import { parsePickle } from '../../../../lib/pure/formats/torch/pickle.js';
import { readMetadata } from '../../../../lib/pure/formats/torch/torch-distributed.js';
import { findArchives } from '../../../../lib/pure/formats/torch/torch-joined.js';
import type { FileLayout } from '../../../../lib/pure/tensor/layout.js';
import { MeteredSource } from '../../../helpers/fuzz.js';
import { tensorBytes } from '../../../helpers/layouts.js';
import { fixture } from '../../../helpers/paths.js';
import {
  dictProgram,
  FLOATS,
  integer,
  tensor,
  text,
  torchArchive,
  tuple,
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
  const joined = await layoutOf('two.pt', bytes);
  t.deepEqual(names(joined), names(alone));
  t.regex(joined.warnings.join(), /^is 3 archives, one after another: its tensors are numbered/);
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

/** An object of a class with these attributes. */
function made(module: string, name: string, fields: Record<string, string>): string {
  const pairs = Object.entries(fields).map(([key, value]) => text(key) + value);
  return `c${module}\n${name}\n)\x81}(${pairs.join('')}ub`;
}

const OWN = 'torch.distributed.checkpoint.metadata';

interface Item {
  name: string;
  file: string;
  offset: number;
  length: number;
  /** Where it begins in its tensor. */
  start?: string;
}

/** Metadata by hand: pieces of whole objects, or of the tensors of `state`. */
function metadata(items: Item[], state = 'N'): Buffer {
  const entries = items.map(({ name, file, offset, length, start = 'N' }) => {
    const place = { relative_path: text(file), offset: integer(offset), length: integer(length) };
    return (
      made(OWN, 'MetadataIndex', { fqn: text(name), offset: start }) +
      made('torch.distributed.checkpoint.filesystem', '_StorageInfo', place)
    );
  });
  const root = made(OWN, 'Metadata', {
    state_dict_metadata: state,
    storage_data: `}(${entries.join('')}u`,
  });
  return Buffer.from(`\x80\x02${root}.`, 'latin1');
}

/** A program that is one tensor. */
const bare = `\x80\x02${tensor()}.`;

test('distributed: a piece that is not an archive is named, the others are read', async (t) => {
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
    "holds pieces that are not archives and are kept as opaque bytes: 'net.z'",
  ]);
  const overlapping = items.map((item) => ({ ...item, length: item.length + 1 }));
  const last2 = await layoutOf('x.distcp', file, metadata(overlapping));
  t.deepEqual(names(last2), ['archive.0.a']);
  t.regex(last2.warnings.join(), /^begins with \d+ bytes that are not an archive/);
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

/** Memorizes what `value` makes under an index, or gets it back. */
function memo(index: number, value?: string): string {
  const at = Buffer.alloc(4);
  at.writeUInt32LE(index);
  return value === undefined ? `j${at.toString('latin1')}` : `${value}r${at.toString('latin1')}`;
}

const each = (count: number, make: (i: number) => string): string => {
  return Array.from({ length: count }, (_, i) => make(i)).join('');
};
const sizes = (...numbers: number[]): string => tuple(...numbers.map(integer));
const chunk = (offset: string, size: string): string => {
  return made(OWN, 'ChunkStorageMetadata', { offsets: offset, sizes: size });
};
const tensorOf = (size: string, chunks: string): string => {
  return made(OWN, 'TensorStorageMetadata', { size, chunks });
};
const piece = (name: string, start: string): Item => {
  return { name, file: 'x.distcp', offset: 0, length: 0, start };
};
async function namesOf(bytes: Uint8Array): Promise<string[] | undefined> {
  const files = await readMetadata(new MemorySource(bytes, '.metadata'));
  return files.get('x.distcp')?.map(({ name }) => name);
}

test('distributed: names that share a tensor, and tensors that share chunks, are told by them', async (t) => {
  const count = 2000;
  // 4 million entries, if each name had its own: 1,000 names of one tensor, 1,000 tensors of one list.
  const chunks = `](${each(count, (i) => chunk(sizes(i), sizes(1)))}e`;
  const state = `}(${text('n')}${memo(1, tensorOf(sizes(count), memo(0, chunks)))}${each(
    count / 2,
    (i) => text(`a${i}`) + memo(1) + text(`b${i}`) + tensorOf(sizes(1), memo(0)),
  )}u`;
  const items = [
    piece('a7', sizes(1999)),
    piece('a8', sizes(count)),
    piece('b9', sizes(3)),
    piece('c', sizes(0)),
  ];
  t.deepEqual(await namesOf(metadata(items, state)), ['a7[1999:2000]', 'a8[2000:]', 'b9', 'c']);
});

/** Metadata as PyTorch writes it: every value memorized, classes, keys and names of the first use. */
class SavedMetadata {
  readonly #known = new Map<string, number>();
  #next = 0;

  /** A value that is memorized. */
  once(value: string): string {
    this.#next++;
    return `${value}\x94`;
  }

  /** A value that is memorized when it comes first, and got back later. */
  shared(value: string): string {
    const index = this.#known.get(value);
    if (index !== undefined) return memo(index);
    this.#known.set(value, this.#next);
    return this.once(value);
  }

  size(...numbers: number[]): string {
    const items = numbers.map((number) => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(number);
      return `J${bytes.toString('latin1')}`;
    });
    const type = this.shared('ctorch\nSize\n');
    const tuple = this.once(`${this.once(`${items.join('')}\x86`)}\x85`);
    return this.once(`${type}${tuple}R`);
  }

  made(module: string, name: string, fields: Record<string, () => string>): string {
    const start = `${this.once(`${this.shared(`c${module}\n${name}\n`)})\x81`)}${this.once('}')}`;
    const pairs = Object.entries(fields).map(([key, value]) => this.shared(text(key)) + value());
    return `${start}(${pairs.join('')}ub`;
  }
}

test('distributed: the metadata of 2,000 tensors in 8 pieces each is read', async (t) => {
  const [tensors, pieces, rows] = [2000, 8, 512];
  const saved = new SavedMetadata();
  const name = (i: number): string => `optim.state.model.layers.${i}.mlp.down_proj.weight.exp_avg`;
  const chunk = (i: number): string => {
    const offsets = () => saved.size(rows * i, 0);
    return saved.made(OWN, 'ChunkStorageMetadata', { offsets, sizes: () => saved.size(rows, 64) });
  };
  const state = (): string => {
    const entry = (i: number): string => {
      const size = () => saved.size(rows * pieces, 64);
      const chunks = () => `${saved.once(']')}(${each(pieces, chunk)}e`;
      const fqn = saved.shared(text(name(i)));
      return fqn + saved.made(OWN, 'TensorStorageMetadata', { size, chunks });
    };
    return `${saved.once('}')}(${each(tensors, entry)}u`;
  };
  const place = (at: number): string => {
    return saved.made('torch.distributed.checkpoint.filesystem', '_StorageInfo', {
      relative_path: () => saved.once(text('x.distcp')),
      offset: () => integer(at * 2 ** 33),
      length: () => integer(2 ** 33),
      transform_descriptors: () => 'N',
    });
  };
  const storage = (): string => {
    const entry = (at: number): string => {
      const [i, start] = [Math.floor(at / pieces), rows * (at % pieces)];
      const index = saved.made(OWN, 'MetadataIndex', {
        fqn: () => saved.shared(text(name(i))),
        offset: () => saved.size(start, 0),
        index: () => integer(at % pieces),
      });
      return index + place(at);
    };
    return `${saved.once('}')}(${each(tensors * pieces, entry)}u`;
  };
  const root = saved.made(OWN, 'Metadata', { state_dict_metadata: state, storage_data: storage });
  const bytes = Buffer.from(`\x80\x04${root}.`, 'latin1');
  const names = await namesOf(bytes);
  t.is(names?.length, tensors * pieces);
  t.is(names?.[0], `${name(0)}[0:512,0:64]`);
  // Whatever the number of pieces, what they take is in proportion to the bytes, with room for the names.
  const budget = new MemoryBudget('x');
  budget.grant(Number.MAX_SAFE_INTEGER);
  parsePickle(bytes, 'x', budget);
  t.true(
    budget.charged < 0.8 * METADATA_MEMORY_FACTOR * bytes.length,
    `${budget.charged / bytes.length}`,
  );
  t.is(names?.at(-1), `${name(tensors - 1)}[3584:4096,0:64]`);
});

test('distributed: lists without number that share their chunks are a blob', async (t) => {
  const lists = (count: number): string => {
    const first = `](${each(1000, (i) => memo(i, chunk(sizes(i), sizes(1))))}e`;
    const more = each(count, (i) => text(`t${i}`) + tensorOf(sizes(9), `](${each(1000, memo)}e`));
    return `}(${text('n')}${tensorOf(sizes(9), first)}${more}u`;
  };
  const items = [piece('t0', sizes(5))];
  t.deepEqual(await namesOf(metadata(items, lists(2))), ['t0[5:6]']);
  const layout = await readLayout(new MemorySource(metadata(items, lists(1200)), '.metadata'));
  t.is(layout.format, 'blob');
  t.regex(layout.warnings.join(), /takes more than \d+ MiB of memory/);
});

test('distributed: attributes that pieces share count for each of them', async (t) => {
  const shared = memo(
    0,
    `}(${text('fqn')}${text('w')}${each(20_000, (i) => `${text(`a${i}`)}N`)}u`,
  );
  const index = (fields: string): string => `c${OWN}\nMetadataIndex\n)\x81${fields}b`;
  const place = memo(
    1,
    made('torch.distributed.checkpoint.filesystem', '_StorageInfo', {
      relative_path: text('x.distcp'),
      offset: integer(0),
      length: integer(1),
    }),
  );
  const program = (count: number): Buffer => {
    const storage = `}(${index(shared)}${place}${each(count, () => index(memo(0)) + memo(1))}u`;
    const root = made(OWN, 'Metadata', { storage_data: storage });
    return Buffer.from(`\x80\x02${root}.`, 'latin1');
  };
  t.is((await namesOf(program(9)))?.length, 10);
  await t.throwsAsync(namesOf(program(2000)), { code: 'DLV_LIMIT', message: /shared too much/ });
});

test('distributed: a shape of too many dimensions names no piece', async (t) => {
  const long = sizes(...new Array(RANK_MAX + 1).fill(1));
  const state = `}(${text('w')}${tensorOf(sizes(4), `](${chunk(sizes(0), sizes(2))}e`)}${text(
    'long',
  )}${tensorOf(long, `](${chunk(long, long)}e`)}u`;
  const items = [piece('w', sizes(0)), piece('w', long), piece('long', long)];
  t.deepEqual(await namesOf(metadata(items, state)), ['w[0:2]', 'w', 'long']);
});

test('distributed: pieces that are too short for an archive cost no read', async (t) => {
  const archive = torchArchive(bare);
  const items = Array.from({ length: 3000 }, (_, i) => {
    return { name: `z${i}`, file: 'x.distcp', offset: 0, length: 0 };
  });
  items.push({ name: 'w', file: 'x.distcp', offset: 0, length: archive.length });
  const source = new MeteredSource(archive, 'ck/x.distcp');
  const folder = new MemoryFolder({ '.metadata': metadata(items) });
  const { archives, warnings } = await findArchives(source, folder, undefined);
  t.deepEqual(archives, [{ start: 0, end: archive.length, name: 'w' }]);
  t.regex(warnings.join(), /'z0', .* and 2996 more/);
  t.is(source.reads, 1);
});

test('distributed: of each piece no more is read than it has', async (t) => {
  const length = 30;
  const archive = torchArchive(bare);
  const items = Array.from({ length: 3000 }, (_, i) => {
    return { name: `z${i}`, file: 'x.distcp', offset: length * i, length };
  });
  const offset = length * items.length;
  items.push({ name: 'w', file: 'x.distcp', offset, length: archive.length });
  const bytes = Buffer.concat([Buffer.alloc(offset), archive]);
  const source = new MeteredSource(bytes, 'ck/x.distcp');
  const folder = new MemoryFolder({ '.metadata': metadata(items) });
  const { archives } = await findArchives(source, folder, undefined);
  t.deepEqual(archives, [{ start: offset, end: bytes.length, name: 'w' }]);
  t.true(source.bytesRead <= bytes.length, `${source.bytesRead} bytes read`);
});

/** A source that raises a signal at its third read. */
class AbortingSource extends MeteredSource {
  readonly controller = new AbortController();

  override async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.reads === 2) this.controller.abort();
    return super.read(offset, length);
  }
}

test('distributed: the search for archives ends when it is aborted', async (t) => {
  const archive = torchArchive(bare);
  const bytes = Buffer.concat(new Array(20).fill(archive));
  const items = Array.from({ length: 20 }, (_, i) => {
    return { name: `w${i}`, file: 'x.distcp', offset: archive.length * i, length: archive.length };
  });
  const folders: Record<string, Uint8Array>[] = [{}, { '.metadata': metadata(items) }];
  for (const files of folders) {
    const source = new AbortingSource(bytes, 'ck/x.distcp');
    const { signal } = source.controller;
    await t.throwsAsync(findArchives(source, new MemoryFolder(files), signal), {
      code: 'DLV_ABORTED',
    });
    t.is(source.reads, 3);
  }
});
