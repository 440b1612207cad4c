/**
 * A clone of many versions beside a copy of the same packs, and beside what comparing every byte with its id takes at
 * least: SHA-256 of all that the versions hold, and CRC-32 of all packs, on every core.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { crc32 } from '../../lib/base/bytes/checksum.js';
import { sha256Each } from '../../lib/base/bytes/hash.js';
import { kernelMemory } from '../../lib/base/bytes/memory/memory.js';
import { init } from '../../lib/index.js';
import { nudge, randomTensors, safetensors } from '../../test/helpers/safetensors.js';
import { measureDlv, PROJECT_ROOT } from '../harness.js';
import { type Taken, timed } from '../peers/process.js';
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
  /** That were copied, brought or hashed; 0 where nothing was. */
  bytes: number;
}

export interface HistoryRun {
  versions: number;
  size: string;
  /** Bytes of all files of all versions, before anything is stored. */
  heldBytes: number;
  rows: HistoryRow[];
}

async function makeHistory(dir: string, versions: number, size: string): Promise<number> {
  await fs.mkdir(dir);
  const repo = await init(dir, { model: 'net' });
  let tensors = randomTensors(SHAPES[size] as Record<string, number[]>, 1);
  let held = 0;
  for (let n = 0; n < versions; n++) {
    const file = safetensors(tensors);
    held += file.length;
    await fs.writeFile(path.join(dir, 'model.safetensors'), file);
    await repo.add('model.safetensors', { step: n });
    await repo.commit({ message: `step ${n}` });
    tensors = nudge(tensors, 1e-3, n);
  }
  await repo.close();
  return held;
}

/** Runs something in this process and says what it took. */
async function taken(action: () => Promise<void>): Promise<Taken> {
  const [before, start] = [process.cpuUsage(), performance.now()];
  await action();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** Hashes as many bytes as the versions hold, four planes at a time, on all threads. */
function hashing(bytes: number): Promise<Taken> {
  const PLANE = 256 * 1024;
  const jobs = Array.from({ length: os.availableParallelism() }, () =>
    Array.from({ length: 4 }, () => {
      const plane = kernelMemory(PLANE);
      plane.set(randomBytes(PLANE));
      return plane;
    }),
  );
  return taken(async () => {
    let left = bytes;
    const work = async (planes: readonly Uint8Array[]): Promise<void> => {
      for (; left > 0; ) {
        left -= 4 * PLANE;
        await sha256Each(Buffer.from('dlv:run\0'), planes);
      }
    };
    await Promise.all(jobs.map(work));
  });
}

function summing(bytes: number): Promise<Taken> {
  const piece = randomBytes(1 << 20);
  return taken(async () => {
    for (let left = bytes; left > 0; left -= piece.length) crc32(piece);
  });
}

/** Makes, pushes and clones a history in a folder. */
export async function runHistory(top: string, versions: number, size: string): Promise<HistoryRun> {
  const dir = path.join(top, 'history');
  const remote = path.join(top, 'history.dlv');
  const heldBytes = await makeHistory(dir, versions, size);
  await measureDlv(['push', remote], dir);
  const packs = path.join(remote, 'packs');
  const bytes = await bytesBelow(packs);
  const place = { cwd: top, env: {} };
  const copied = await timed(
    ['bash', '-c', `cp -r '${packs}' '${top}/copied' && sync '${top}'/copied/*`],
    place,
  );
  const dlv = [process.execPath, path.join(PROJECT_ROOT, 'dist/bin/dlv.js')];
  const cloned = await timed([...dlv, 'clone', '-q', remote, path.join(top, 'cloned')], place);
  const started = await timed([...dlv, '--version'], place);
  const rows = [
    { what: 'cp of the packs, and sync', bytes, ...copied },
    { what: 'dlv clone', bytes, ...cloned },
    { what: 'of it: starting dlv', bytes: 0, ...started },
    { what: 'SHA-256 of what the versions hold', bytes: heldBytes, ...(await hashing(heldBytes)) },
    { what: 'CRC-32 of the packs', bytes, ...(await summing(bytes)) },
  ];
  return { versions, size, heldBytes, rows };
}
