/**
 * Goal: a feed gives a file's bytes in order, in pieces of any size, and shows each byte once.
 * Method: a file over several blocks, read in pieces that cross their edges.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { RunningSha256 } from '../../../../lib/base/bytes/hash.js';
import { ChangedError } from '../../../../lib/base/errors.js';
import { ReadFile } from '../../../../lib/base/files/files.js';
import { runHashes } from '../../../../lib/pure/tensor/extent-id.js';
import { mergePlanes } from '../../../../lib/pure/tensor/planes.js';
import { FileFeed } from '../../../../lib/storage/ingest/file-feed.js';
import { planePool } from '../../../../lib/storage/objects/planes/plane-pool.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const BYTES = 9 * 1024 * 1024 + 5;

function content(): Buffer {
  return Buffer.from(new Uint32Array(BYTES / 4 + 1).map((_, i) => i).buffer, 0, BYTES);
}

test('feed: pieces of any size are the file in order', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  const bytes = content();
  await fs.writeFile(file, bytes);
  for (const sizes of [[BYTES], [1, 4 * 1024 * 1024 - 1, 1, 0], [3_000_001], [12, 5_000_000]]) {
    const source = await ReadFile.open(file);
    const shown: Buffer[] = [];
    const feed = new FileFeed(source, (block) => shown.push(Buffer.from(block)));
    let at = 0;
    for (let i = 0; at < BYTES; i++) {
      const target = new Uint8Array(Math.min(sizes[i % sizes.length]!, BYTES - at));
      await feed.readInto(target);
      t.is(Buffer.compare(target, bytes.subarray(at, at + target.length)), 0);
      at += target.length;
    }
    t.is(Buffer.compare(Buffer.concat(shown), bytes), 0);
    await feed.settle();
    await source.close();
  }
});

test('feed: what is taken where it lies is the file in order, also between reads', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  const bytes = content();
  await fs.writeFile(file, bytes);
  const source = await ReadFile.open(file);
  const feed = new FileFeed(source, () => {});
  let at = 0;
  for (let i = 0; at < BYTES; i++) {
    const wanted = Math.min([7, 3_000_000, 5_000_000][i % 3]!, BYTES - at);
    let piece: Uint8Array;
    if (i % 4 === 3) {
      piece = new Uint8Array(wanted);
      await feed.readInto(piece);
    } else {
      piece = await feed.take(wanted);
    }
    t.true(piece.length > 0 && piece.length <= wanted);
    t.is(Buffer.compare(piece, bytes.subarray(at, at + piece.length)), 0);
    at += piece.length;
  }
  await feed.settle();
  await source.close();
});

test('feed: a file that became shorter is an error, also for the read ahead', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  await fs.writeFile(file, content());
  const source = await ReadFile.open(file);
  await fs.truncate(file, 5_000_000);
  const feed = new FileFeed(source, () => {});
  await feed.readInto(new Uint8Array(4_000_000));
  await t.throwsAsync(feed.readInto(new Uint8Array(1_100_000)), { code: 'DLV_CHANGED' });
  await feed.settle();
  await source.close();
});

test('feed: nothing is read of an empty file', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  await fs.writeFile(file, '');
  const source = await ReadFile.open(file);
  const feed = new FileFeed(source, () => t.fail());
  await feed.readInto(new Uint8Array(0));
  await feed.settle();
  await source.close();
  t.pass();
});

test('feed: runs that the kernel reads are in order with what is read around them', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  const bytes = content();
  await fs.writeFile(file, bytes);
  const source = await ReadFile.open(file);
  const hash = new RunningSha256();
  const count = 1 << 20;
  const starts = [1001, 1001 + 4 * count];
  let read = 0;
  const onBytes = (more: number): void => {
    read += more;
  };
  const onBlock = (block: Uint8Array): void => {
    onBytes(block.length);
    hash.update(block);
  };
  const feed = new FileFeed(source, onBlock, { starts, hash, onBytes });
  const head = new Uint8Array(1001);
  await feed.readInto(head);
  t.is(Buffer.compare(head, bytes.subarray(0, 1001)), 0);
  for (const start of starts) {
    const planes = planePool.lend(4, count).planes;
    const digests = await feed.readRun(planes, false);
    if (hash.state === null) t.is(digests, null);
    else t.is(Buffer.compare(digests!, await runHashes(planes)), 0);
    const merged = new Uint8Array(4 * count);
    mergePlanes(planes, 4, merged);
    t.is(Buffer.compare(merged, bytes.subarray(start, start + merged.length)), 0);
  }
  const rest = new Uint8Array(BYTES - 1001 - 8 * count);
  await feed.readInto(rest.subarray(0, 10));
  t.is(await feed.readRun([new Uint8Array(4)], false), undefined, 'a part of a block is left');
  await feed.readInto(rest.subarray(10));
  t.is(Buffer.compare(rest, bytes.subarray(BYTES - rest.length)), 0);
  t.is(read, BYTES);
  t.is(hash.digest(), createHash('sha256').update(bytes).digest('hex'));
  await feed.settle();
  await source.close();
});

test('feed: a file that is cut while the kernel reads it has changed', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  await fs.writeFile(file, content());
  const source = await ReadFile.open(file);
  const direct = { starts: [0], hash: new RunningSha256(), onBytes() {} };
  const feed = new FileFeed(source, (block) => direct.hash.update(block), direct);
  await fs.truncate(file, 1_000_000);
  const { planes } = planePool.lend(4, 1 << 20);
  await t.throwsAsync(feed.readRun(planes, false), { instanceOf: ChangedError });
  await source.close();
});
