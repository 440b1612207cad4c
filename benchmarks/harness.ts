/**
 * What the benchmarks share: running a command as a process and accounting for it, medians, tables,
 * and writing both into the documentation.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Accounting } from './accounting.js';

/** The folder of package.json, seen from dist/benchmarks/. */
export { type Spread, spreadOf } from '../lib/use/measure/bench-machine.js';

export const PROJECT_ROOT = path.resolve(fileURLToPath(import.meta.url), '../../..');
const ACCOUNTING = path.join(PROJECT_ROOT, 'dist/benchmarks/accounting.js');
const DLV = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');

/** One finished process. */
export interface Measured extends Accounting {
  seconds: number;
  code: number;
  stdout: string;
}

/** Runs a program and waits for it. @throws if it ends with a code that is not in `codes`. */
export async function runProcess(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; codes?: readonly number[] } = {},
): Promise<{ seconds: number; code: number; stdout: string }> {
  const started = performance.now();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => {
      if (exit === null) reject(new Error(`${program} was ended by ${signal}`));
      else resolve(exit);
    });
  });
  const seconds = (performance.now() - started) / 1000;
  if (!(options.codes ?? [0]).includes(code)) {
    throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${Buffer.concat(err)}`);
  }
  return { seconds, code, stdout: Buffer.concat(out).toString() };
}

/** Runs a Node program in a process of its own, with its accounting. */
export async function measureNode(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; codes?: readonly number[] } = {},
): Promise<Measured> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-accounting-'));
  try {
    const report = path.join(dir, 'report');
    const result = await runProcess(process.execPath, ['--import', ACCOUNTING, ...args], {
      ...options,
      env: { ...options.env, DLV_BENCH_REPORT: report },
    });
    return { ...result, ...(JSON.parse(await fs.readFile(report, 'utf8')) as Accounting) };
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

/** Runs `dlv <args> --json` in `cwd`, measured. */
export function measureDlv(
  args: readonly string[],
  cwd: string,
  codes: readonly number[] = [0],
): Promise<Measured> {
  const env = { DLV_AUTHOR_NAME: 'Bench', DLV_AUTHOR_EMAIL: 'bench@example.org', NO_COLOR: '1' };
  return measureNode([DLV, '--json', ...args], { cwd, env, codes });
}

/** Adds up processes that follow each other: times are summed, peaks are not. */
export function sumOf(...parts: readonly Measured[]): Measured {
  const sum = { ...(parts.at(-1) as Measured) };
  for (const part of parts.slice(0, -1)) {
    sum.seconds += part.seconds;
    sum.cpuSeconds += part.cpuSeconds;
    sum.readBytes += part.readBytes;
    sum.peakBytes = Math.max(sum.peakBytes, part.peakBytes);
  }
  return sum;
}

/** Where and of what something was measured. */
export interface Setting {
  cpu: string;
  cores: number;
  memoryGiB: number;
  node: string;
  commit: string;
  /** Share of the cores that others used when the run began. */
  load: number;
  command: string;
  date: string;
}

/** @param command what a reader types to measure again. */
export function settingOf(command: string): Setting {
  const git = (...args: string[]): string => {
    try {
      return execFileSync('git', args, { cwd: PROJECT_ROOT, encoding: 'utf8' }).trim();
    } catch {
      return '';
    }
  };
  const changed = git('status', '--porcelain', '--', 'lib', 'native', 'benchmarks') !== '';
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    node: process.version,
    commit: `${git('rev-parse', '--short=10', 'HEAD') || 'unknown'}${changed ? ' with changes' : ''}`,
    load: (os.loadavg()[0] as number) / os.availableParallelism(),
    command,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** One line of text about the setting. */
export function describeSetting(setting: Setting): string {
  const { cpu, cores, memoryGiB, node, commit, date, load, command } = setting;
  return (
    `${cpu}, ${cores} cores, ${memoryGiB} GiB; Node ${node}; commit ${commit}; ${date}; ` +
    `${Math.round(100 * load)} % of the cores busy before; \`${command}\`.`
  );
}

/** A Markdown table; the first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows as [readonly string[], ...(readonly string[])[]];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

/**
 * Keeps results in benchmarks/results: the numbers as JSON, the tables as a page.
 * @param text  what the page says below its title.
 */
export async function publish(
  name: string,
  results: unknown,
  text: string,
  bench = name,
): Promise<void> {
  const folder = path.join(PROJECT_ROOT, 'benchmarks/results');
  const page = path.join(folder, `${name}.md`);
  const [title] = (await fs.readFile(page, 'utf8')).split('\n\n', 1);
  if (!title?.startsWith('# ')) throw new Error(`'${page}' has no title`);
  const about =
    `Written by \`npm run bench:${bench}\`. What it measures and how: ` +
    '[docs/benchmarks.md](../../docs/benchmarks.md).';
  await fs.writeFile(path.join(folder, `${name}.json`), `${JSON.stringify(results, null, 2)}\n`);
  await fs.writeFile(page, `${title}\n\n${about}\n\n${text}\n`);
}

/** '1.2 GiB', '340 MiB', '12 KiB'. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
}

/** Seconds with three digits. */
export function formatSeconds(seconds: number): string {
  return seconds >= 100 ? `${Math.round(seconds)} s` : `${seconds.toPrecision(3)} s`;
}
