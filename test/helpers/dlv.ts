/**
 * Runs the command, from its command line to its exit code.
 *
 * In this process unless the test is about processes: a start of Node costs more than what most
 * tests look at.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { runCli } from '../../lib/cli/main.js';
import type { Stdio } from '../../lib/cli/output/stdio.js';
import { NO_SETTINGS, PROJECT_ROOT, TESTER } from './paths.js';

/** The compiled command. */
export const DLV_BIN = path.join(PROJECT_ROOT, 'dist', 'bin', 'dlv.cjs');

/** What one run of the command left behind. */
export interface DlvResult {
  code: number;
  stdout: string;
  stdoutBytes: Buffer;
  stderr: string;
}

/** Options of `dlv`: the working folder; extra environment or bytes for stdin want a process. */
export interface DlvOptions {
  cwd: string;
  env?: Record<string, string>;
  input?: Uint8Array | string;
  /** Runs the compiled command in a process of its own. */
  process?: boolean;
  /** Ctrl-C, for a command in this process. */
  signal?: AbortSignal;
}

const ENVIRONMENT = {
  NO_COLOR: '1',
  ...TESTER,
  DLV_CONFIG: NO_SETTINGS,
};

/** Settings of the user for processes in a folder, which they can write. */
function ownSettings(cwd: string): { DLV_CONFIG: string } {
  return { DLV_CONFIG: path.join(cwd, '.no-config') };
}

/** Collects what a command writes. */
function collect(chunks: Buffer[]): Stdio {
  return {
    write: (chunk) => {
      chunks.push(Buffer.from(chunk));
      return true;
    },
    once: (_event, listener) => listener(),
    closed: false,
    isTTY: false,
    columns: undefined,
  };
}

async function dlvHere(argv: string[], { cwd, signal }: DlvOptions): Promise<DlvResult> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const code = await runCli({
    argv,
    cwd,
    env: process.env,
    stdout: collect(out),
    stderr: collect(err),
    signal: signal ?? new AbortController().signal,
  });
  const stdoutBytes = Buffer.concat(out);
  const stderr = Buffer.concat(err).toString();
  // Files that `cat` writes are megabytes, and no text.
  return {
    code,
    stdoutBytes,
    stderr,
    get stdout() {
      return stdoutBytes.toString();
    },
  };
}

/** Runs `dlv <args>` in `options.cwd`; never throws for a non-zero exit code. */
export async function dlv(args: string[], options: DlvOptions): Promise<DlvResult> {
  if (!options.process && options.env === undefined && options.input === undefined) {
    Object.assign(process.env, ENVIRONMENT);
    delete process.env.FORCE_COLOR;
    return dlvHere(args, options);
  }
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...ENVIRONMENT,
    ...ownSettings(options.cwd),
    ...options.env,
  };
  delete env.FORCE_COLOR;
  const child = spawn(process.execPath, [DLV_BIN, ...args], { cwd: options.cwd, env });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => {}); // the command may end before it reads its input
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => {
      if (exit === null) reject(new Error(`dlv was ended by ${signal}`));
      else resolve(exit);
    });
  });
  const stdoutBytes = Buffer.concat(out);
  return {
    code,
    stdoutBytes,
    stdout: stdoutBytes.toString(),
    stderr: Buffer.concat(err).toString(),
  };
}

/** Runs `dlv --json <args>`, expects exit code 0 and returns the parsed document. */
export async function dlvJson<T>(args: string[], options: DlvOptions): Promise<T> {
  const result = await dlv(['--json', ...args], options);
  if (result.code !== 0) {
    throw new Error(
      `dlv ${args.join(' ')} ended with ${result.code}: ${result.stderr}${result.stdout}`,
    );
  }
  return JSON.parse(result.stdout) as T;
}
