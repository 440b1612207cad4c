/**
 * Golden files of the pack format: what earlier builds wrote is written the same today, still read,
 * and shown as it is in docs/format. UPDATE_GOLDEN=1 writes the files again, which a change of the
 * format must say in docs/format.
 */
import fs from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { encodeManifest } from '../../../../lib/storage/store/manifest.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { FILE_CLASSES } from '../../../../lib/storage/store/types.js';
import { hexdump, page } from '../../../helpers/golden.js';
import { fixture } from '../../../helpers/paths.js';
import { blobOf, plain, problemsOf, readSame, segmentOf, writeSet } from './sample.js';

/** The records of docs/format/pack.md: one small set, one whose classes are apart. */
const SMALL = [
  blobOf('hello'),
  blobOf('hello!', 'hello', 'recipe'),
  segmentOf('tensor', { count: 3, hi: 6, mid: 3, low: 3, seed: 1 }),
];
const SPLIT = [
  segmentOf('first', { count: 3, hi: 6, mid: 3, low: 3, seed: 4 }),
  segmentOf('second', { base: 'first', count: 3, hi: 2, mid: 1, low: 0, seed: 7 }),
];
const NAMES = ['small', 'split'] as const;

function golden(t: ExecutionContext, name: string, bytes: Uint8Array): void {
  const file = fixture('format', name);
  if (process.env.UPDATE_GOLDEN === '1') {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, bytes);
    t.log(`${name}\n${hexdump(bytes)}`);
  }
  t.deepEqual(Buffer.from(bytes), fs.readFileSync(file), name);
}

async function build() {
  const backend = new MemoryBackend();
  const small = await writeSet(backend, SMALL);
  const split = await writeSet(backend, SPLIT, true);
  return { backend, sets: { small, split } };
}

test('golden: the writer makes the bytes of the golden files', async (t) => {
  const { backend, sets } = await build();
  for (const name of NAMES) {
    const { info, files } = sets[name];
    for (const fileClass of FILE_CLASSES) {
      if (files[fileClass] === undefined) {
        t.false(fs.existsSync(fixture('format', `v1_${name}.${fileClass}`)));
        continue;
      }
      const bytes = await backend.readAll(files[fileClass], 1 << 20);
      t.is(bytes.length, info.bytes[fileClass]);
      golden(t, `v1_${name}.${fileClass}`, bytes);
    }
  }
  const listed = NAMES.map((name) => sets[name].info);
  golden(t, 'v1_manifest', encodeManifest({ generation: 2, sets: listed }));
});

test('golden: the files are read as they were written, and fsck finds nothing', async (t) => {
  const { sets } = await build();
  const files: [string, Uint8Array][] = [
    ['manifest', fs.readFileSync(fixture('format', 'v1_manifest'))],
  ];
  for (const name of NAMES) {
    for (const fileClass of FILE_CLASSES) {
      const file = fixture('format', `v1_${name}.${fileClass}`);
      if (fs.existsSync(file))
        files.push([`packs/${sets[name].info.id}.${fileClass}`, fs.readFileSync(file)]);
    }
  }
  const backend = MemoryBackend.from(files);
  const store = await ObjectStore.open(backend);
  t.is(store.generation, 2);
  for (const record of [...SMALL, ...SPLIT])
    t.deepEqual(await readSame(store, record), plain(record));
  t.deepEqual(await problemsOf(backend, store.sets()), []);
});

test('golden: the pages show the files', (t) => {
  const shown: Record<string, string[]> = {
    'pack.md': ['v1_small.blob', 'v1_small.hi', 'v1_split.hi', 'v1_split.mid', 'v1_split.low'],
    'pack-index.md': ['v1_small.idx'],
  };
  for (const [doc, names] of Object.entries(shown)) {
    for (const name of names) {
      const dump = hexdump(fs.readFileSync(fixture('format', name)));
      t.true(page(doc).includes(`\n${dump}`), `docs/format/${doc} does not show ${name}:\n${dump}`);
    }
  }
  const manifest = fs.readFileSync(fixture('format', 'v1_manifest'), 'latin1');
  t.true(page('manifest.md').includes(`\n${manifest}`), 'docs/format/manifest.md');
});
