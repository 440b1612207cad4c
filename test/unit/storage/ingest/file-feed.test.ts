/**
 * Goal: a feed gives a file's bytes in order, in pieces of any size, and shows each byte once.
 * Method: a file over several blocks, read in pieces that cross their edges.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { ReadFile } from '../../../../lib/base/files/files.js';
import { FileFeed } from '../../../../lib/storage/ingest/file-feed.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const BYTES = 9 * 1024 * 1024 + 5;

function content(): Buffer {
  return Buffer.from(Uint32Array.from({ length: BYTES / 4 + 1 }, (_, i) => i).buffer, 0, BYTES);
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
