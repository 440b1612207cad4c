/** Runs the real command, compiled, in its own process. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { PROJECT_ROOT } from './paths.js';

/** The compiled command. */
export const DLV_BIN = path.join(PROJECT_ROOT, 'dist', 'bin', 'dlv.js');

/** What one run of the command left behind. */
export interface DlvResult {
  code: number;
  stdout: string;
  stdoutBytes: Buffer;
  stderr: string;
}

/** Options of `dlv`: the working folder, extra environment, bytes for stdin. */
export interface DlvOptions {
  cwd: string;
  env?: Record<string, string>;
  input?: Uint8Array | string;
}

/** Runs `dlv <args>` in `options.cwd`; never throws for a non-zero exit code. */
export async function dlv(args: string[], options: DlvOptions): Promise<DlvResult> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NO_COLOR: '1',
    DLV_AUTHOR_NAME: 'Tester',
    DLV_AUTHOR_EMAIL: 'tester@example.org',
    // A file that does not exist: the settings of whoever runs the tests must not matter.
    DLV_CONFIG: path.join(options.cwd, '.no-config'),
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
