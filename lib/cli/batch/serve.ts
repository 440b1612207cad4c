/**
 * Carries out requests one after another, and answers in lines of JSON and frames of bytes.
 *
 * Rules and answers are those of the commands: a request is a command line with --json. Requests are read
 * while one runs, so that a program can cancel it. @see docs/batch.md
 */
import path from 'node:path';
import { AbortedError, asDlvError, type DlvError, UsageError } from '../../base/errors.js';
import { BATCH_WAITING_MAX } from '../../base/limits.js';
import type { ProgressSink } from '../../use/progress.js';
import type { Stdio } from '../output/stdio.js';
import { escapeJson } from '../output/terminal.js';
import type { CliHost, ReadingFrom, RunLine } from '../run.js';
import { type Line, type Request, readRequests } from './request.js';

/** Number of the protocol: it changes when a program of before would misread an answer. */
export const PROTOCOL = 1;

/** Commands that need the terminal or stdin for themselves. */
const ALONE = new Set(['batch', 'completion', 'ui']);

/** Commands that only read: they share an open repository. */
const READING = new Set(['cat', 'desc', 'diff', 'list', 'log', 'reflog', 'show', 'status']);

/** Events of progress of one request come at most this often. */
const PROGRESS_EVERY_MS = 100;

export interface BatchOptions {
  /** Its `destroy`, if it has one, is called when a signal ends the work. */
  input: AsyncIterable<Uint8Array> & { destroy?: () => unknown };
  /** Streams, environment and folder of the process. */
  host: Pick<CliHost, 'stdout' | 'env' | 'cwd' | 'signal'>;
  runLine: RunLine;
  /** For commands that only read. */
  reading: ReadingFrom;
  version: string;
}

/** Answers requests until the input ends. @throws {AbortedError} */
export async function serveBatch(options: BatchOptions): Promise<void> {
  await new Batch(options).serve();
}

type Id = number | string | null;

class Batch {
  readonly #options: BatchOptions;
  readonly #waiting: Line[] = [];
  /** What runs, and how it is ended. */
  #running: { id: Id; abort: AbortController } | null = null;
  #inputEnded = false;
  /** Called when there is something to do, and when there is room for more. */
  #wake: () => void = () => {};
  #makeRoom: () => void = () => {};

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  async serve(): Promise<void> {
    const { host, version } = this.#options;
    const stop = (): void => {
      this.#running?.abort.abort();
      this.#options.input.destroy?.();
      this.#wake();
      this.#makeRoom();
    };
    host.signal.addEventListener('abort', stop);
    this.#say({ dlv: version, protocol: PROTOCOL });
    const reading = this.#read();
    try {
      await this.#work();
    } finally {
      host.signal.removeEventListener('abort', stop);
    }
    if (host.signal.aborted) throw new AbortedError('interrupted');
    await reading;
  }

  /** Reads requests until the input ends; those that wait are bounded. */
  async #read(): Promise<void> {
    try {
      for await (const line of readRequests(this.#options.input)) {
        if (!('error' in line) && line.op === 'cancel') {
          this.#cancel(line);
          continue;
        }
        this.#waiting.push(line);
        this.#wake();
        while (this.#waiting.length >= BATCH_WAITING_MAX) {
          if (this.#options.host.signal.aborted) return;
          await new Promise<void>((resolve) => {
            this.#makeRoom = resolve;
          });
        }
      }
    } catch (error) {
      // Who cannot be heard any more has gone: what was asked for is carried out.
      this.#waiting.push({ id: null, error: asDlvError(error) as UsageError });
    } finally {
      this.#inputEnded = true;
      this.#wake();
    }
  }

  async #work(): Promise<void> {
    const { signal } = this.#options.host;
    while (!signal.aborted) {
      const line = this.#waiting.shift();
      this.#makeRoom();
      if (line === undefined) {
        if (this.#inputEnded) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if ('error' in line) this.#refuse(line.id, line.error, 2);
      else await this.#carryOut(line);
    }
  }

  /** Ends a request that runs, and drops one that waits. */
  #cancel({ id, target }: Request): void {
    const at = this.#waiting.findIndex((line) => line.id === target);
    const runs = this.#running !== null && this.#running.id === target;
    if (runs) this.#running?.abort.abort();
    else if (at >= 0) {
      this.#waiting.splice(at, 1);
      this.#refuse(target as Id, new AbortedError('cancelled'), 130);
    }
    this.#say({ id, ok: true, exit: 0, result: { cancelled: runs || at >= 0 }, warnings: [] });
  }

  async #carryOut(request: Request): Promise<void> {
    const { host, runLine, reading } = this.#options;
    const { id, op, args, cwd } = request;
    if (ALONE.has(op) || !/^[a-z][a-z-]*$/.test(op)) {
      const what = ALONE.has(op) ? `'${op}' is not for dlv batch` : `'${op}' is no command`;
      const hint = "an op is the name of a command: 'dlv --help' lists them";
      this.#refuse(id, new UsageError(what, { hint }), 2);
      return;
    }
    const abort = new AbortController();
    this.#running = { id, abort };
    const answer = new Answer(request, (line, bytes) => this.#say(line, bytes), host.stdout);
    try {
      const exit = await runLine({
        argv: ['--json', op, ...args],
        cwd: cwd === undefined ? host.cwd : path.resolve(host.cwd, cwd),
        env: host.env,
        stdin: null,
        stdout: answer.text,
        stderr: silent(),
        signal: abort.signal,
        asker: answer,
        ...(READING.has(op) ? { reading } : {}),
      });
      answer.end(exit);
    } finally {
      this.#running = null;
    }
  }

  #refuse(id: Id, error: DlvError, exit: number): void {
    this.#say({ id, ok: false, exit, error: error.toJSON(), warnings: [] });
  }

  #say(line: object, bytes?: Uint8Array): boolean {
    const { stdout } = this.#options.host;
    const wrote = stdout.write(`${lineOf(line)}\n`);
    return bytes === undefined ? wrote : stdout.write(bytes);
  }
}

/** A value as one line, as exact and as harmless as the documents of commands. */
function lineOf(value: unknown): string {
  const plain = (_key: string, item: unknown): unknown =>
    typeof item === 'bigint' ? String(item) : item;
  return escapeJson(JSON.stringify(value, plain));
}

/** What was written as text, for commands that write JSON themselves. */
class Text implements Stdio {
  readonly closed = false;
  readonly isTTY = false;
  readonly columns = undefined;
  content = '';
  write(chunk: string | Uint8Array): boolean {
    this.content += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  }
  once(_event: 'drain', listener: () => void): void {
    listener();
  }
}

/** Warnings and errors are told as values; what else commands say is for people. */
function silent(): Stdio {
  const text = new Text();
  text.write = () => true;
  return text;
}

/** Collects what one command answers, and tells of its progress. */
class Answer {
  readonly text = new Text();
  readonly data: ((bytes: Uint8Array) => Promise<boolean>) | null;
  readonly progress: ProgressSink;
  readonly #id: Id;
  readonly #say: (line: object, bytes?: Uint8Array) => boolean;
  readonly #warnings: string[] = [];
  #result: object | null = null;
  #error: DlvError | null = null;

  constructor(request: Request, say: (line: object, bytes?: Uint8Array) => boolean, stdout: Stdio) {
    this.#id = request.id;
    this.#say = say;
    this.progress = new Events((event) => {
      if (request.progress) say({ id: request.id, progress: event });
    });
    const frame = async (bytes: Uint8Array): Promise<boolean> => {
      if (!say({ id: request.id, frame: bytes.length }, bytes) && !stdout.closed) {
        await new Promise<void>((resolve) => stdout.once('drain', resolve));
      }
      return !stdout.closed;
    };
    this.data = request.data ? frame : null;
  }

  document(document: object): void {
    this.#result = document;
  }

  error(error: DlvError): void {
    this.#error = error;
  }

  warn(message: string): void {
    this.#warnings.push(message);
  }

  end(exit: number): void {
    const end = { exit, warnings: this.#warnings };
    if (this.#error !== null) {
      this.#say({ id: this.#id, ok: false, ...end, error: this.#error.toJSON() });
      return;
    }
    this.#say({ id: this.#id, ok: true, ...end, result: this.#result ?? this.#written() });
  }

  /** The document of help, which is written as text. */
  #written(): object | null {
    const { content } = this.text;
    if (content === '') return null;
    const { warnings: _, ...document } = JSON.parse(content) as Record<string, unknown>;
    return document;
  }
}

/** Progress as values: at the start of each piece of work, and now and then. */
class Events implements ProgressSink {
  readonly #tell: (event: object) => void;
  #work: { label: string; total: number; unit: string } | null = null;
  #done = 0;
  #toldAt = 0;

  constructor(tell: (event: object) => void) {
    this.#tell = tell;
  }

  start(label: string, total: number, unit = 'bytes'): void {
    this.#work = { label, total, unit };
    this.#done = 0;
    this.#report();
  }

  advance(amount: number): void {
    this.#done += amount;
    if (performance.now() - this.#toldAt >= PROGRESS_EVERY_MS) this.#report();
  }

  finish(): void {
    this.#work = null;
  }

  #report(): void {
    this.#toldAt = performance.now();
    if (this.#work !== null) this.#tell({ ...this.#work, done: this.#done });
  }
}
