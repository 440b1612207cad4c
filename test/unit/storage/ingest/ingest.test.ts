/** Ingest: a store that fails, also while the file is read on, fails the file alone; aborts end it. */
import fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { type Id, objectId } from '../../../../lib/base/bytes/hash.js';
import { AbortedError } from '../../../../lib/base/errors.js';
import { ReadFile } from '../../../../lib/base/files/files.js';
import { CDC_MAX_BYTES } from '../../../../lib/base/limits.js';
import { cutFile } from '../../../../lib/pure/tensor/file-parts.js';
import { blobLayout } from '../../../../lib/pure/tensor/layout.js';
import { BaseFinder } from '../../../../lib/storage/ingest/bases/named-bases.js';
import { ingestFile } from '../../../../lib/storage/ingest/ingest.js';
import { streamFile } from '../../../../lib/storage/objects/stored/rebuild.js';
import { segmentCount } from '../../../../lib/storage/store/types.js';
import { add } from '../../../../lib/use/ops/add.js';
import { noProgress } from '../../../../lib/use/progress.js';
import { Repository } from '../../../../lib/use/repository.js';
import { randomBytes } from '../../../helpers/rng.js';
import { safetensors } from '../../../trust/model-files.js';
import { WorkRepository } from '../objects/work-repository.js';
import { memorySession } from './memory-session.js';

/** Bytes that ingest reads at once. */
const BLOCK_BYTES = 4 * 1024 * 1024;

test('ingest: no chunk is being stored any more when a failure is reported', async (t) => {
  const work = await WorkRepository.make(t);
  await work.write('x.bin', randomBytes(BLOCK_BYTES + 3 * CDC_MAX_BYTES, 5));
  const session = await memorySession();
  let atWork = 0;
  let stored = 0;
  session.putBlob = async (kind, bytes): Promise<Id> => {
    stored += bytes.length;
    // The last chunk of the first block: its failure comes while the next one is being read.
    if (stored > BLOCK_BYTES - CDC_MAX_BYTES) throw new Error('the device is full');
    if (stored < BLOCK_BYTES - 3 * CDC_MAX_BYTES) return objectId(kind, bytes);
    atWork++;
    await sleep(200);
    atWork--;
    return objectId(kind, bytes);
  };
  const source = await ReadFile.open(work.file('x.bin'));
  const readInto = source.readInto.bind(source);
  source.readInto = async (target, offset) => {
    await sleep(300);
    await readInto(target, offset);
  };
  const options = { bases: new BaseFinder([]), chainDepth: 10, chainCost: 4, level: 1 as const };
  // A rejection that nobody handles yet ends a command, even if somebody would later.
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  t.teardown(() => process.off('unhandledRejection', note));
  await t.throwsAsync(ingestFile(session, source, cutFile(blobLayout(), source.size), options), {
    message: 'the device is full',
  });
  t.is(atWork, 0);
  t.deepEqual(unhandled, []);
  await source.close();
});

test('ingest: an abort ends a large add soon and leaves nothing behind', async (t) => {
  const work = await WorkRepository.make(t);
  const block = randomBytes(1 << 20, 1);
  const bytes = Buffer.concat(Array.from({ length: 40 }, () => block));
  const tensor = { name: 'w', dtype: 'F32', shape: [bytes.length / 4], bytes };
  await work.write('x.safetensors', safetensors([tensor]));
  const abort = new AbortController();
  const { signal } = abort;
  let read = 0;
  const progress = {
    ...noProgress,
    advance: (count: number) => {
      read += count;
      if (read > bytes.length / 2) abort.abort();
    },
  };
  const repo = await Repository.open(work.dir, { signal });
  try {
    const context = { ...work.context, signal, progress };
    await t.throwsAsync(add(repo, { paths: ['x.safetensors'], level: 'max' }, context), {
      instanceOf: AbortedError,
    });
  } finally {
    await repo.close();
  }
  t.true(read < bytes.length);
  t.deepEqual(await work.packs(), []);
  t.deepEqual(await fs.readdir(work.file('.dlv/tmp')), []);
  // The same again without an abort: nothing stands in the way.
  const again = await work.open((fresh, context) =>
    add(fresh, { paths: ['x.safetensors'] }, context),
  );
  t.is(again.files[0]?.status, 'added');
});

test('ingest: elements that blocks of the file share, and swapped ones, are whole', async (t) => {
  const work = await WorkRepository.make(t);
  const bytes = Buffer.concat(Array.from({ length: 9 }, (_, i) => randomBytes(1 << 20, i)));
  // Starts at odd places: the edges of blocks fall into elements of every kind.
  const odd = { name: 'a', dtype: 'U8', shape: [20_001], bytes: bytes.subarray(0, 20_001) };
  const wide = { name: 'b', dtype: 'F64', shape: [bytes.length / 8], bytes };
  const files = {
    'x.safetensors': safetensors([odd, wide]),
    'y.npy': bigEndianNpy(bytes.subarray(3, 3 + 8_400_000)),
  };
  const version = await work.commit(files);
  await work.open(async (repo) => {
    for (const entry of (await repo.tree(version.version)).files) {
      const pieces: Uint8Array[] = [];
      const stored = await repo.openFile(entry);
      t.true(stored.recipe!.extents.length > 0, entry.path);
      for await (const piece of streamFile(repo, stored)) pieces.push(piece.slice());
      t.is(Buffer.compare(Buffer.concat(pieces), files[entry.path as keyof typeof files]), 0);
      for (const id of stored.recipe!.extents) {
        const { count } = (await repo.store.findSegment(id, 0))!;
        for (let s = 0; s < segmentCount(count); s++) {
          const lease = await repo.planes.lend({ id, segment: s });
          await repo.hashes.check(id, s, lease.planes);
          lease.release();
        }
      }
    }
  });
});

test('ingest: planes that are stored as they are stay as they are until they are written', async (t) => {
  const work = await WorkRepository.make(t);
  const bytes = randomBytes(9 << 20, 77);
  const other = randomBytes(9 << 20, 78);
  // Signs and exponents are alike, so that they are coded; later ones are near, so that they are deltas.
  for (let i = 0; i < bytes.length; i += 4) {
    bytes[i + 3] = 0x3d;
    bytes[i + 2] = (bytes[i + 2] as number) & 0x8f;
    other.set(bytes.subarray(i + 2, i + 4), i + 2);
  }
  const model = (content: Uint8Array): Buffer =>
    safetensors([{ name: 'w', dtype: 'F32', shape: [content.length / 4], bytes: content }]);
  for (const content of [bytes, other]) {
    const files = { 'x.safetensors': model(content) };
    const { version } = await work.commit(files);
    await work.open(async (repo) => {
      const entry = (await repo.tree(version)).files[0]!;
      const stored = await repo.openFile(entry);
      const [id] = stored.recipe!.extents as [Id];
      const record = (await repo.store.readSegment(id, 0))!;
      t.is(record.base !== null, content === other);
      t.deepEqual([record.mid.length, record.low.length], [record.count, record.count]);
      const pieces: Uint8Array[] = [];
      for await (const piece of streamFile(repo, stored)) pieces.push(piece.slice());
      t.is(Buffer.compare(Buffer.concat(pieces), files['x.safetensors']), 0);
    });
  }
});

function bigEndianNpy(bytes: Uint8Array): Buffer {
  const header = `{'descr': '>f4', 'fortran_order': False, 'shape': (${bytes.length / 4},), }`;
  const text = Buffer.from(`${header.padEnd(117)}\n`);
  return Buffer.concat([Buffer.from([0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0]), text, bytes]);
}
