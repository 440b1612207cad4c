/**
 * A process that runs command lines, one after another: `Served` starts this file. Each line of its
 * stdin is `{ argv, cwd }`, each of its stdout the answer.
 *
 * One process for many commands, because a start of Node takes longer than most commands. What a
 * command leaves behind in it, an open file or a timer, would disturb the next ones, and be seen.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Answer, ENVIRONMENT, runInside } from './cli.js';

const FILE = fileURLToPath(import.meta.url);

/** Longest time of one command. None here takes seconds; a machine may be busy. */
const TIMEOUT_MS = 120_000;

/** The process ended while a command ran: it was killed, or an error was caught by nobody. */
export class EndedError extends Error {}

/** A served process. */
export class Served {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stderr = '';
  #wake: (line: string | null) => void = () => {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#wake(line));
    child.stdin!.on('error', () => {});
    child.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk));
    this.#closed = new Promise((resolve) => child.once('close', resolve));
    void this.#closed.then(() => this.#wake(null));
  }

  /** @param heapMb  bound on the heap of the process. */
  static start(env: Readonly<Record<string, string>> = {}, heapMb?: number): Served {
    const flags = heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`];
    const child = spawn(process.execPath, [...flags, FILE], {
      env: { ...process.env, ...ENVIRONMENT, ...env },
    });
    return new Served(child);
  }

  /** Runs a command. @throws {EndedError} if the process ends first; a hang ends it. */
  async run(argv: readonly string[], cwd: string, timeoutMs = TIMEOUT_MS): Promise<Answer> {
    const answered = new Promise<string | null>((resolve) => (this.#wake = resolve));
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill();
    }, timeoutMs);
    if (!this.isAlive) this.#wake(null);
    this.#child.stdin!.write(`${JSON.stringify({ argv, cwd })}\n`);
    const line = await answered;
    clearTimeout(timer);
    const said = this.#stderr;
    this.#stderr = '';
    if (line === null) {
      const what = isLate ? `took more than ${timeoutMs} ms` : 'ended its process';
      throw new EndedError(`dlv ${argv.join(' ')} ${what}: ${said}`);
    }
    const answer = JSON.parse(line) as Answer;
    return { ...answer, stderr: answer.stderr + said };
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** As kill −9. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    this.kill();
    await this.#closed;
  }
}

async function serve(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { argv, cwd } = JSON.parse(line) as { argv: string[]; cwd: string };
    process.stdout.write(`${JSON.stringify(await runInside(argv, cwd))}\n`);
  }
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === FILE) await serve();
