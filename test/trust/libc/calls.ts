/**
 * The library of calls.c: compiled here, put before the C library of a `dlv` process, its log read.
 *
 * Only Linux has LD_PRELOAD and /proc, and a compiler need not be there: `libraryOrSkip` says why the
 * tests that stand on this cannot run, and they say so aloud.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { DLV_BIN } from '../../helpers/dlv.js';
import { PROJECT_ROOT } from '../../helpers/paths.js';
import { ENVIRONMENT } from '../cli.js';

const SOURCE = path.join(PROJECT_ROOT, 'test', 'trust', 'libc', 'calls.c');

let compiled: Promise<string | Error> | null = null;

async function compile(): Promise<string | Error> {
  if (process.platform !== 'linux') return new Error('calls are intercepted on Linux only');
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-calls-'));
  process.once('exit', () => spawnSync('rm', ['-rf', dir]));
  const library = path.join(dir, 'calls.so');
  for (const compiler of [process.env.CC, 'cc', 'gcc', 'clang']) {
    if (compiler === undefined) continue;
    const flags = '-std=gnu11 -O1 -Wall -Wextra -Werror -shared -fPIC'.split(' ');
    const args = [...flags, '-o', library, SOURCE, '-ldl', '-lpthread'];
    const { error, status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' });
    if (error) continue;
    // A compiler that is there and refuses the file is a fault, not a reason to leave the tests out.
    if (status !== 0) throw new Error(`${compiler} does not compile '${SOURCE}': ${stderr}`);
    return library;
  }
  return new Error('no C compiler was found');
}

/** The compiled library. @returns its path, or why there is none. */
export function callsLibrary(): Promise<string | Error> {
  compiled ??= compile();
  return compiled;
}

/**
 * The compiled library, or null if a test cannot run here: it says so on stderr, which the test
 * command passes on, and passes.
 */
export async function libraryOrSkip(t: ExecutionContext): Promise<string | null> {
  const library = await callsLibrary();
  if (typeof library === 'string') return library;
  process.stderr.write(`NOT TESTED: '${t.title}': ${library.message}\n`);
  t.pass();
  return null;
}

/** Environment of a process whose calls go through the library. */
export function preloaded(library: string, under: string): Record<string, string> {
  return { LD_PRELOAD: library, DLV_CALLS_UNDER: under, UV_USE_IO_URING: '0' };
}

/** What a record of the log says. Paths are relative to the folder that is watched. */
export type Call =
  | { op: 'open'; fd: number; path: string; created: boolean; truncated: boolean }
  | { op: 'write'; fd: number; offset: number; data: Buffer }
  | { op: 'fsync'; fd: number }
  | { op: 'truncate'; fd: number; size: number }
  | { op: 'rename' | 'link' | 'symlink'; from: string; to: string }
  | { op: 'unlink' | 'mkdir' | 'rmdir'; path: string }
  | { op: 'stdout' };

const OPS = [
  'none',
  'open',
  'write',
  'fsync',
  'truncate',
  'rename',
  'link',
  'unlink',
  'mkdir',
  'rmdir',
  'symlink',
  'stdout',
] as const;
const HEAD_BYTES = 4 + 1 + 1 + 2 + 4 + 4 + 4 + 4 + 8;

/** Reads a log. @param under the folder that was watched. */
export function parseCalls(log: Buffer, under: string): Call[] {
  const calls: Call[] = [];
  const relative = (file: string): string => path.relative(under, file);
  for (let at = 0; at < log.length; ) {
    const bytes = log.readUInt32LE(at);
    const op = OPS[log.readUInt8(at + 4)] as (typeof OPS)[number];
    const flags = log.readUInt8(at + 5);
    const fd = log.readInt32LE(at + 8);
    const offset = Number(log.readBigInt64LE(at + 24));
    const body = log.subarray(at + HEAD_BYTES, at + HEAD_BYTES + bytes);
    const dataAt = log.readUInt32LE(at + 12) + log.readUInt32LE(at + 16);
    const first = body.toString('utf8', 0, log.readUInt32LE(at + 12));
    const second = body.toString('utf8', log.readUInt32LE(at + 12), dataAt);
    at += HEAD_BYTES + bytes;
    if (op === 'open') {
      const created = (flags & 1) !== 0;
      calls.push({ op, fd, path: relative(first), created, truncated: (flags & 2) !== 0 });
    } else if (op === 'write') calls.push({ op, fd, offset, data: body.subarray(dataAt) });
    else if (op === 'fsync') calls.push({ op, fd });
    else if (op === 'truncate') calls.push({ op, fd, size: offset });
    else if (op === 'symlink') calls.push({ op, from: first, to: relative(second) });
    else if (op === 'rename' || op === 'link') {
      calls.push({ op, from: relative(first), to: relative(second) });
    } else if (op === 'stdout') calls.push({ op });
    else if (op !== 'none') calls.push({ op, path: relative(first) });
  }
  return calls;
}

/** How a process ended. */
interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `dlv <argv>` in `dir` as a process of its own. */
export async function runDlv(
  argv: readonly string[],
  dir: string,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const child = spawn(process.execPath, [DLV_BIN, ...argv], {
    cwd: dir,
    env: { ...process.env, ...ENVIRONMENT, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

/** What a recorded command did. */
export interface Recording extends Ended {
  calls: Call[];
}

/** Runs `dlv <argv>` in `dir` and records the calls that change files. */
export async function recordDlv(
  library: string,
  argv: readonly string[],
  dir: string,
): Promise<Recording> {
  const under = await fs.realpath(dir);
  const log = `${under}.calls`;
  const ended = await runDlv(argv, under, { ...preloaded(library, under), DLV_CALLS_LOG: log });
  const calls = parseCalls(await fs.readFile(log), under);
  await fs.rm(log);
  return { ...ended, calls };
}
