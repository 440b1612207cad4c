/**
 * A clone of many versions beside a copy of the same packs, and beside what comparing every byte with its id takes at
 * least: each record is read, decoded and hashed once by the kernel on every core, with nothing to be found out.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { init } from '../../lib/index.js';
import { nudge, randomTensors, safetensors } from '../../test/helpers/safetensors.js';
import { measureDlv, PROJECT_ROOT } from '../harness.js';
import { type Taken, timed } from '../peers/process.js';
import { prepareDecoding } from './decoding.js';
import { bytesBelow } from './sharing.js';

/** Tensors of one version: 2 MiB of float32 in 12, or 0.4 MiB in 6. */
const SHAPES: Readonly<Record<string, Record<string, number[]>>> = {
  small: {
    'a.weight': [256, 256],
    'a.bias': [256],
    'b.weight': [128, 256],
    'b.bias': [128],
    'c.weight': [10, 128],
    'c.bias': [10],
  },
  medium: Object.fromEntries(
    Array.from({ length: 4 }, (_, i) => [
      [`${i}.a.weight`, [256, 256]],
      [`${i}.b.weight`, [256, 256]],
      [`${i}.b.bias`, [256]],
    ]).flat() as [string, number[]][],
  ),
};

export interface HistoryRow extends Taken {
  what: string;
  /** That were copied, brought or decoded; 0 where nothing was. */
  bytes: number;
}

export interface HistoryRun {
  versions: number;
  size: string;
  /** Bytes that the records of all versions give. */
  heldBytes: number;
  rows: HistoryRow[];
}

async function makeHistory(dir: string, versions: number, size: string): Promise<void> {
  await fs.mkdir(dir);
  const repo = await init(dir, { model: 'net' });
  let tensors = randomTensors(SHAPES[size] as Record<string, number[]>, 1);
  for (let n = 0; n < versions; n++) {
    await fs.writeFile(path.join(dir, 'model.safetensors'), safetensors(tensors));
    await repo.add('model.safetensors', { step: n });
    await repo.commit({ message: `step ${n}` });
    tensors = nudge(tensors, 1e-3, n);
  }
  await repo.close();
}

/** Runs something in this process and says what it took. */
async function taken(action: () => Promise<void>): Promise<Taken> {
  const [before, start] = [process.cpuUsage(), performance.now()];
  await action();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** What a history is made of: so many versions of a size, or what stands at a remote. */
export interface HistorySource {
  readonly versions: number;
  readonly size: string;
  /** A folder with a remote that was made before; null: it is made. */
  readonly remote: string | null;
}

/** Makes and pushes a history in a folder, if it is not there, and clones it. */
export async function runHistory(top: string, source: HistorySource): Promise<HistoryRun> {
  const { versions, size } = source;
  const remote = source.remote ?? path.join(top, 'history.dlv');
  if (source.remote === null) {
    const dir = path.join(top, 'history');
    await makeHistory(dir, versions, size);
    await measureDlv(['push', remote], dir);
  }
  const packs = path.join(remote, 'packs');
  const bytes = await bytesBelow(packs);
  const place = { cwd: top, env: {} };
  const copied = await timed(['cp', '-r', packs, path.join(top, 'copied')], place);
  const synced = await timed(['bash', '-c', `sync '${top}'/copied/*`], place);
  const dlv = [process.execPath, path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs')];
  const to = path.join(top, 'cloned');
  const cloned = await timed([...dlv, 'clone', '-q', '--no-checkout', remote, to], place);
  const started = await timed([...dlv, '--version'], place);
  const decoding = await prepareDecoding(path.join(to, '.dlv'));
  const decoded = await taken(decoding.check);
  await decoding.close();
  const rows = [
    { what: 'cp of the packs', bytes, ...copied },
    { what: 'sync of the copy', bytes: 0, ...synced },
    { what: 'dlv clone', bytes, ...cloned },
    { what: 'of it: starting dlv', bytes: 0, ...started },
    {
      what: `decoding and SHA-256 of ${decoding.records} records alone`,
      bytes: decoding.bytes,
      ...decoded,
    },
  ];
  return { versions, size, heldBytes: decoding.bytes, rows };
}
