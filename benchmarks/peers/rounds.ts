/** Rounds of one series: every tool stores all versions and writes the last one back, in turn. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type Measured, measureDlv } from '../harness.js';
import { filesAfter, type InputFile, placeVersion, type Series } from './inputs.js';
import { bytesBelow, coolDown, OthersWatch, settleMachine, type Taken, timed } from './process.js';
import type { Tool } from './tools.js';

/** What one tool took in one round. */
export interface Sample {
  tool: string;
  /** Of each version. */
  puts: Taken[];
  /** The last version, written into an empty work tree: with its store in the page cache, and without. */
  hot: Taken;
  cold: Taken;
  storeBytes: number;
  /** Cores that other work kept busy meanwhile, at most. */
  others: number;
}

/** `cp` and sha256 of the files of the last version: no checked copy can be had for less. */
export interface CopySample {
  cp: Taken;
  sha256: Taken;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}

async function checkSame(tree: string, files: readonly InputFile[], tool: string): Promise<void> {
  for (const { path: name, source } of files) {
    if ((await sha256Of(path.join(tree, name))) === (await sha256Of(source))) continue;
    throw new Error(`${tool} wrote '${name}' with other bytes`);
  }
}

async function bytesOf(files: readonly InputFile[]): Promise<number> {
  let sum = 0;
  for (const { source } of files) sum += (await fs.stat(source)).size;
  return sum;
}

async function removeFiles(tree: string, files: readonly InputFile[]): Promise<void> {
  for (const file of files) await fs.rm(path.join(tree, file.path), { force: true });
}

/** One tool through all versions of a series, in a folder that is removed afterwards. */
export async function runTool(tool: Tool, series: Series, dir: string): Promise<Sample> {
  const home = await fs.mkdtemp(path.join(dir, 'peer-'));
  try {
    const tree = path.join(home, 'model');
    await fs.mkdir(tree);
    const repo = tool.open(tree);
    await repo.init();
    const puts: Taken[] = [];
    let others = 0;
    for (const [at, files] of series.versions.entries()) {
      await placeVersion(tree, files);
      await settleMachine(await bytesOf(files));
      const watch = new OthersWatch();
      const put = await repo.put(files, at + 1);
      others = Math.max(others, watch.finish(put.cpuSeconds));
      puts.push(put);
    }
    const files = filesAfter(series);
    const last = series.versions.length;
    await removeFiles(tree, files);
    await settleMachine(await bytesOf(files));
    const hot = await repo.get(files, last);
    await checkSame(tree, files, tool.name);
    await removeFiles(tree, files);
    await coolDown(repo.store);
    await settleMachine(await bytesOf(files));
    const cold = await repo.get(files, last);
    await checkSame(tree, files, tool.name);
    return { tool: tool.name, puts, hot, cold, storeBytes: await bytesBelow(repo.store), others };
  } finally {
    await fs.rm(home, { recursive: true, force: true });
  }
}

/** The copy that every tool is measured against, of files that are in the page cache. */
export async function runCopy(
  series: Series,
  dir: string,
  sha256: readonly string[],
): Promise<CopySample> {
  const home = await fs.mkdtemp(path.join(dir, 'copy-'));
  const place = { cwd: home, env: {} };
  const sources = (series.versions.at(-1) as InputFile[]).map((file) => file.source);
  try {
    await timed(['cat', ...sources], place);
    await settleMachine(await bytesOf(series.versions.at(-1) as InputFile[]));
    const cp = await timed(['cp', ...sources, home], place);
    return { cp, sha256: await timed([...sha256, ...sources], place) };
  } finally {
    await fs.rm(home, { recursive: true, force: true });
  }
}

/** Largest resident set of any command of dlv over a series, workers included; not timed. */
export async function peakOf(series: Series, dir: string): Promise<Record<string, number>> {
  const tree = await fs.mkdtemp(path.join(dir, 'peak-'));
  try {
    const peaks: Record<string, number> = { add: 0, commit: 0, checkout: 0 };
    const note = (verb: string, { peakBytes }: Measured): void => {
      peaks[verb] = Math.max(peaks[verb] as number, peakBytes);
    };
    await measureDlv(['init'], tree);
    for (const files of series.versions) {
      await placeVersion(tree, files);
      note('add', await measureDlv(['add', '.'], tree));
      note('commit', await measureDlv(['commit', '-m', 'next'], tree));
    }
    await removeFiles(tree, filesAfter(series));
    note('checkout', await measureDlv(['restore', '.'], tree));
    return peaks;
  } finally {
    await fs.rm(tree, { recursive: true, force: true });
  }
}
