/** A repository of many versions of some networks, made in one session: what queries are asked of. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Id } from '../../lib/base/bytes/hash.js';
import type { Construct } from '../../lib/pure/dql/ast.js';
import { newNetwork } from '../../lib/pure/dql/construct/new-network.js';
import { parseStatement } from '../../lib/pure/dql/parse.js';
import { newModel, streamPieces } from '../../lib/pure/formats/onnx/write/edited-model.js';
import { ingestBatch } from '../../lib/storage/ingest/batch.js';
import { withSession } from '../../lib/storage/objects/access.js';
import { blobWriter } from '../../lib/storage/objects/stored-bytes.js';
import { raiseMark, writeNumbers } from '../../lib/storage/repo/numbers.js';
import { buildTree } from '../../lib/storage/repo/version/build-tree.js';
import type { FileEntry } from '../../lib/storage/repo/version/file-page.js';
import { makeSnapshots } from '../../lib/storage/repo/version/snapshots.js';
import { writeVersion } from '../../lib/storage/repo/version/version-bytes.js';
import { makeBranch } from '../../lib/use/history/lines/branches.js';
import { findNetworks, packNetworks } from '../../lib/use/history/networks/networks.js';
import { Repository } from '../../lib/use/repository.js';

/** What a run of the sweep says, the same for dlv and for what it is compared with. */
export interface SweepRun {
  lr: number;
  batch: number;
  opt: string;
  acc: number;
  loss: number;
}

/** Numbers that look drawn and are the same everywhere. */
export function sweepRun(i: number): SweepRun {
  const at = (k: number): number => ((i * 7919 + k * 104729) % 10007) / 10007;
  return {
    ...{ lr: 10 ** (-5 * at(0)), batch: 2 ** (4 + (i % 5)), opt: i % 3 ? 'adam' : 'sgd' },
    ...{ acc: at(300), loss: 3 * at(301) },
  };
}

/** A network of 100 operators: which of its blocks are pooled, and how, differs. */
function chainOf(network: number): string {
  const pools = Array.from({ length: 3 }, (_, i) => ((network >> (2 * i)) & 1 ? 'MAX' : 'AVG'));
  const block = `(CONV(units = ${2 + (network % 7)}, kernel = 3, pad = 1) -> BN -> RELU){10} -> CONV(units = ${
    1 + (network >> 3)
  }, kernel = 1) -> RELU`;
  const stages = pools.map((pool) => `${block} -> POOL("${pool}")`).join(' -> ');
  return `construct net as INPUT(3, 16, 16) -> ${stages} -> FULL(units = 10) seed ${network}`;
}

/** @returns operators of a network. */
export async function makeRepository(
  dir: string,
  { versions, networks }: { versions: number; networks: number },
): Promise<number> {
  const repo = await Repository.init(dir, 'sweep');
  const work = path.join(dir, 'made');
  await fs.mkdir(work);
  let operators = 0;
  await withSession(repo, async (session) => {
    const batch: { path: string; file: string }[] = [];
    for (let i = 0; i < networks; i++) {
      const text = chainOf(i);
      const { chain, span } = parseStatement(text) as Construct;
      const { finished, ...forms } = newNetwork(text, chain, { name: 'net', seed: i, span });
      operators = finished.network.graph.nodes.length;
      const file = path.join(work, `${i}.onnx`);
      const parts: Uint8Array[] = [];
      for await (const part of streamPieces(newModel('net', forms, finished.edit).pieces, null))
        parts.push(part);
      await fs.writeFile(file, Buffer.concat(parts));
      batch.push({ path: 'model.onnx', file });
    }
    const writer = blobWriter(session);
    const made: {
      files: FileEntry[];
      tree: Parameters<typeof writeVersion>[0]['tree'];
      network: Id;
    }[] = [];
    const how = { parentFiles: [], chainDepth: 10, chainCost: 4, level: 0 as const };
    for await (const result of ingestBatch(session, batch, how)) {
      const { size, sha256, gitSha1, recipe, format, step, references, roles } = result;
      const file = {
        ...{ path: 'model.onnx', mode: 0o644 as const, size, sha256, gitSha1, recipe },
        ...{ format, step, hint: { references, roles } },
      };
      const packed = packNetworks(await findNetworks(session, [file], {})) as Uint8Array;
      made.push({
        files: [file],
        tree: await buildTree([file], makeSnapshots([file]), writer),
        network: await session.putBlob('blob', packed),
      });
    }
    let parent: Id | null = null;
    for (let i = 0; i < versions; i++) {
      const { tree, network } = made[i % made.length] as (typeof made)[number];
      const { lr, batch: size, opt, acc, loss } = sweepRun(i);
      parent = await writeVersion(
        {
          ...{ model: 'sweep', number: i + 1, parents: parent === null ? [] : [parent] },
          author: { name: 'Bench', email: 'bench@example.org' },
          ...{ time: 1_600_000_000_000 + 1000 * i, tzMinutes: 0, message: `run ${i}`, tree },
          params: [
            { name: 'batch', text: String(size) },
            { name: 'lr', text: String(lr) },
            { name: 'opt', text: opt },
          ],
          metrics: [
            { name: 'acc', step: 300, value: acc },
            { name: 'loss', step: 300, value: loss },
          ],
          ...{ logs: [], network, git: null, extensions: [] },
        },
        writer,
      );
    }
    await session.flush();
    const tip = parent as Id;
    await repo.locked(async (lock) => {
      const marks = new Map();
      raiseMark(marks, 'sweep', versions);
      await writeNumbers(lock, marks);
      const why = { who: 'Bench <bench@example.org>', time: 1_700_000_000_000, reason: 'made' };
      await makeBranch(lock, { model: 'sweep', branch: 'main' }, tip, why);
    });
  });
  await repo.close();
  await fs.rm(work, { recursive: true, force: true });
  return operators;
}
