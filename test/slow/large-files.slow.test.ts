/**
 * Goal: files of 4 GiB commit and check out within 512 MiB of memory, whatever they hold.
 * Method: made on the spot, committed and checked out by the real command as processes, peak memory
 * from the operating system, sha256 of what comes back. Needs some 9 GiB of temporary space.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { writeCheckpoint, writeNoise } from '../../benchmarks/data/checkpoint.js';
import { measureDlv, measureNode, PROJECT_ROOT } from '../../benchmarks/harness.js';
import { tempDir } from '../helpers/temp-dir.js';

const GIB = 2 ** 30;
const PEAK_BYTES_MAX = 512 * 2 ** 20;
const MINUTES = 60_000;

async function sha256Of(file: string): Promise<string> {
  const hash = path.join(PROJECT_ROOT, 'dist/benchmarks/hash-file.js');
  return (await measureNode([hash, file])).stdout.trim();
}

interface Committed {
  tensors: number;
  logicalBytes: number;
  storedBytes: number;
}

/** Commits a file and takes it back; only one copy of it exists at any time. */
async function roundTrip(
  t: ExecutionContext,
  make: (file: string) => Promise<void>,
): Promise<Committed> {
  t.timeout(60 * MINUTES);
  const dir = path.join(await tempDir(t), 'big');
  await fs.mkdir(dir);
  const file = path.join(dir, 'model.bin');
  await make(file);
  const before = await sha256Of(file);
  await measureDlv(['init'], dir);
  const add = await measureDlv(['add', 'model.bin'], dir);
  const commit = await measureDlv(['commit', '-m', 'first'], dir);
  await fs.rm(file);
  const checkout = await measureDlv(['checkout', 'HEAD', '--', 'model.bin'], dir);
  t.is(await sha256Of(file), before);
  for (const [name, run] of Object.entries({ add, commit, checkout })) {
    const mebibytes = Math.round(run.peakBytes / 2 ** 20);
    t.log(`${name}: ${run.seconds.toFixed(1)} s, peak ${mebibytes} MiB`);
    t.true(run.peakBytes <= PEAK_BYTES_MAX, `${name} took ${mebibytes} MiB`);
  }
  return JSON.parse(commit.stdout) as Committed;
}

test.serial('4 GiB of fp32 in many tensors', async (t) => {
  const done = await roundTrip(t, (file) => writeCheckpoint(file, { bytes: 4.1 * GIB }));
  t.true(done.tensors > 100);
  t.true(done.storedBytes < 0.87 * done.logicalBytes);
});

test.serial('one tensor of 4.2 GiB', async (t) => {
  const done = await roundTrip(t, (file) =>
    writeCheckpoint(file, { bytes: 4.2 * GIB, shape: 'single' }),
  );
  t.is(done.tensors, 1);
});

test.serial('4 GiB of fp64', async (t) => {
  const done = await roundTrip(t, (file) =>
    writeCheckpoint(file, { bytes: 4.1 * GIB, dtype: 'F64' }),
  );
  t.true(done.storedBytes < 0.96 * done.logicalBytes);
});

test.serial('4 GiB of noise that no format explains', async (t) => {
  const done = await roundTrip(t, (file) => writeNoise(file, 4 * GIB));
  t.true(done.storedBytes < 1.002 * done.logicalBytes);
});
