/**
 * Networks read from what is stored: the same as those of the files, though no tensor is decoded; and
 * versions of an older dlv, which have none stored.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { MemorySource } from '../../lib/base/bytes/byte-source.js';
import type { Id } from '../../lib/base/bytes/hash.js';
import { readOnnxModel } from '../../lib/pure/formats/onnx/onnx-graph.js';
import { networkOfOnnx } from '../../lib/pure/network/onnx-network.js';
import { blobWriter } from '../../lib/storage/objects/stored-bytes.js';
import { writeVersion } from '../../lib/storage/repo/version/version-bytes.js';
import {
  keptNetworks,
  networksOfVersion,
  packNetworks,
  readNetwork,
} from '../../lib/use/history/networks/networks.js';
import type { DescResult } from '../../lib/use/ops/desc.js';
import type { VersionTable } from '../../lib/use/ops/versions.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

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

test('weights alone: layers and their names are kept, and last as long as the tensors do', async (t) => {
  const repo = await TestRepository.create(t);
  const shapes = { 'h.0.attn.c_attn.weight': [8, 24], 'h.0.mlp.c_fc.weight': [8, 32] };
  const write = async (seed: number, more: Record<string, number[]> = {}): Promise<void> => {
    await repo.write(
      `step-${seed}.safetensors`,
      safetensors(randomTensors({ ...shapes, ...more }, seed)),
    );
  };
  await write(1);
  const { version: first } = await repo.commit('one');
  const namesOf = async (id: string): Promise<[boolean | undefined, string[] | undefined]> => {
    const { weights } = await repo.json<DescResult>('desc', id);
    return [weights[0]?.kept, weights[0]?.layers.map(({ name }) => name)];
  };
  t.deepEqual(await namesOf(first), [true, ['h.0.attn.c_attn', 'h.0.mlp.c_fc']]);
  // The same version as an algorithm of another time would have made it: the branch goes on from there.
  const renamed = await repo.with(async (open) => {
    const session = open.session();
    try {
      const version = await open.version(first);
      const { weights } = await keptNetworks(open, version.network as Id);
      const layers = weights[0]!.layers.map((layer, i) => ({ ...layer, name: `block${i}` }));
      const bytes = packNetworks([], [{ ...weights[0]!, layers }]) as Uint8Array;
      const network = await session.putBlob('blob', bytes);
      const id = await writeVersion({ ...version, network }, blobWriter(session));
      await session.flush();
      return id;
    } finally {
      await session.abort();
    }
  });
  await repo.json('reset', '--soft', renamed);
  t.deepEqual(await namesOf('HEAD'), [true, ['block0', 'block1']]);
  await fs.rm(repo.file('step-1.safetensors'));
  await write(2);
  const { version: second } = await repo.commit('two');
  t.deepEqual(await namesOf(second), [true, ['block0', 'block1']]);
  const networkOf = (id: string) =>
    repo.with(async (open) => (await open.version(id as Id)).network);
  t.is(await networkOf(second), await networkOf(renamed), 'equal views are stored once');
  // Other tensors are named anew; the version keeps nothing of what is forgotten.
  await fs.rm(repo.file('step-2.safetensors'));
  await write(3, { 'wte.weight': [50, 8] });
  const { version: third } = await repo.commit('three');
  t.deepEqual(await namesOf(third), [true, ['h.0.attn.c_attn', 'h.0.mlp.c_fc', 'wte']]);
  const table = await repo.json<VersionTable>('list', '--columns', 'name,parameters,macs,layers');
  t.deepEqual(table.rows[0]?.values, {
    name: 'net@3',
    parameters: 8 * 24 + 8 * 32 + 50 * 8,
    macs: null,
    layers: 3,
  });
  await repo.json('forget', '--force', '--path', 'step-3.safetensors');
  t.is(await networkOf((await repo.json<{ version: string }[]>('log'))[0]!.version), null);
});
