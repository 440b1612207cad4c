/**
 * Networks read from what is stored: the same as those of the files, though no tensor is decoded; and
 * versions of an older dlv, which have none stored.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import { readOnnxModel } from '../../lib/pure/formats/onnx/onnx-graph.js';
import { networkOfOnnx } from '../../lib/pure/network/onnx-network.js';
import { blobWriter } from '../../lib/storage/objects/stored-bytes.js';
import { writeVersion } from '../../lib/storage/repo/version/version.js';
import { networksOfVersion, readNetwork } from '../../lib/use/history/networks/networks.js';
import type { DescResult } from '../../lib/use/ops/desc.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';

async function fixtures(): Promise<{ name: string; bytes: Buffer }[]> {
  const found: { name: string; bytes: Buffer }[] = [];
  for (const folder of ['onnx', 'networks']) {
    for (const name of (await fs.readdir(fixture(folder))).sort()) {
      if (!name.endsWith('.onnx')) continue;
      found.push({ name, bytes: await fs.readFile(path.join(fixture(folder), name)) });
    }
  }
  return found;
}

test('networks: what is read from the store is what is read from the file', async (t) => {
  const repo = await TestRepository.create(t);
  const files = await fixtures();
  t.true(files.length >= 9);
  for (const { name, bytes } of files) await repo.write(name, bytes);
  const { version } = await repo.commit('all');
  await repo.with(async (open) => {
    const tree = await open.tree(version);
    let read = 0;
    for (const { name, bytes } of files) {
      const ref = tree.files.find((file) => file.path === name)!;
      let wanted: unknown;
      try {
        wanted = networkOfOnnx(await readOnnxModel(new MemorySource(bytes, name)), name);
      } catch {
        continue;
      }
      t.deepEqual((await readNetwork(open, ref))?.network as unknown, wanted, name);
      read++;
    }
    t.true(read >= 6, `${read} networks`);
    const kept = await networksOfVersion(open, version, repo.context);
    t.true(kept.every(({ stored }) => stored));
    t.deepEqual(
      kept.map(({ path: at }) => at).sort(),
      [...new Set(kept.map(({ path: at }) => at))].sort(),
    );
  });
});

test('networks: a version without one stored, and one whose network is of a newer form, are read from their files', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('net.onnx', await fs.readFile(fixture('networks', 'fashion-lenet.onnx')));
  const { version: first } = await repo.commit('one');
  const [older, newer] = await repo.with(async (open) => {
    const session = open.session();
    try {
      const writer = blobWriter(session);
      const version = await open.version(first);
      const later = await session.putBlob('blob', Uint8Array.of(0x92, 0x02, 0x90));
      const ids = [
        await writeVersion({ ...version, network: null }, writer),
        await writeVersion({ ...version, network: later }, writer),
      ];
      await session.flush();
      return ids;
    } finally {
      await session.abort();
    }
  });
  const stored = await repo.json<DescResult>('desc', first);
  for (const [id, warnings] of [
    [older, 0],
    [newer, 1],
  ] as const) {
    const found = await repo.json<DescResult & { warnings: string[] }>('desc', id as string);
    t.is(found.warnings.length, warnings);
    t.false(found.networks[0]!.stored);
    t.deepEqual(found.networks[0]!.layers, stored.networks[0]!.layers);
  }
});
