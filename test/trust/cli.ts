/** Runs a command line in this process, which is some ten times faster than in one of its own. */
import { ERROR_TABLE, type ErrorCode } from '../../lib/base/errors.js';
import { runCli } from '../../lib/cli/main.js';
import type { Stdio } from '../../lib/cli/output/stdio.js';

/** What a command answered. */
export interface Answer {
  code: number;
  stdout: string;
  stderr: string;
}

/** Environment of every command of these tests: nothing of whoever runs them. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  NO_COLOR: '1',
  DLV_AUTHOR_NAME: 'Ada',
  DLV_AUTHOR_EMAIL: 'ada@example.org',
  // No such file: there are no settings of a user.
  DLV_CONFIG: '/dev/null/none',
};
Object.assign(process.env, ENVIRONMENT);

/** Keeps what is written to it. */
function sink(): Stdio & { text(): string } {
  const chunks: Buffer[] = [];
  return {
    write(chunk) {
      chunks.push(Buffer.from(chunk));
      return true;
    },
    once: (_event, listener) => listener(),
    closed: false,
    isTTY: false,
    columns: 100,
    text: () => Buffer.concat(chunks).toString(),
  };
}

/** Runs `dlv <argv>` in the folder `cwd`; never throws for an exit code. */
export async function runInside(argv: readonly string[], cwd: string): Promise<Answer> {
  const stdout = sink();
  const stderr = sink();
  const { signal } = new AbortController();
  const code = await runCli({ stdout, stderr, env: process.env, cwd, argv, signal });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** As runInside; what is not exit code 0 is thrown. */
export async function must(argv: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await runInside(argv, cwd);
  if (code !== 0) throw new Error(`dlv ${argv.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** Code and message of the error that a command with --json answered with. */
export function errorOf(answer: Answer): { code: string; message: string } {
  try {
    const { error } = JSON.parse(answer.stdout) as { error: { code: string; message: string } };
    return error;
  } catch {
    return { code: 'none', message: `${answer.stdout}${answer.stderr}` };
  }
}

/** Names of unfinished files. */
const TEMPORARY = /\.tmp-\d[\w-]*|\.dlv\/tmp\/[^' ]+/;

/**
 * What is wrong with an answer, whatever it is: its exit code, its text.
 * @param isJson  the command was run with --json.
 */
export function answerProblems(answer: Answer, isJson = true): string[] {
  const wrong: string[] = [];
  const { code, stdout, stderr } = answer;
  if (/^\s+at .*\(|file:\/\//m.test(stdout + stderr))
    wrong.push(`shows a stack: ${stdout}${stderr}`);
  const unknown = TEMPORARY.exec(stdout + stderr);
  if (unknown !== null) wrong.push(`names '${unknown[0]}', which only dlv knows`);
  if (!isJson) return code === 0 || isDocumented(code) ? wrong : [...wrong, `exit code ${code}`];
  let document: {
    ok?: boolean;
    fit?: number;
    problems?: { kind?: string }[];
    error?: { code?: string; message?: string; data?: { hint?: unknown } };
  };
  try {
    document = JSON.parse(stdout);
  } catch {
    return [...wrong, `stdout is not a JSON document: ${stdout}`];
  }
  const { error } = document;
  if (code === 0) {
    if (error !== undefined) wrong.push(`exit code 0 with an error: ${stdout}`);
    return wrong;
  }
  if (error === undefined) {
    // fsck that found damage, or nothing but what a newer dlv wrote; slice or construct that found no network to work on.
    const { ok, problems = [], fit } = document;
    const isNewer = ok === false && problems.every(({ kind }) => kind === 'newer');
    const isAnswer = code === 12 ? ok === false : code === 13 ? isNewer : code === 1 && fit === 0;
    if (!isAnswer) wrong.push(`exit code ${code} without an error: ${stdout}`);
    return wrong;
  }
  const { message = '' } = error;
  if (ERROR_TABLE[error.code as ErrorCode] !== code || error.code === 'DLV_BUG') {
    wrong.push(`exit code ${code} with ${error.code}: ${message}`);
  }
  if (message === '' || message.includes('\n') || message.endsWith('.')) {
    wrong.push(`the message is not one line: ${message}`);
  }
  return wrong;
}

/** True for the exit code of an error that is no mistake of ours. */
export function isDocumented(code: number): boolean {
  return code !== ERROR_TABLE.DLV_BUG && Object.values<number>(ERROR_TABLE).includes(code);
}
