/**
 * Reads a git repository through git's plumbing, which runs no hook, filter or pager: lists of commits and
 * trees, and the bytes of objects from one `git cat-file` that answers one request after another.
 */
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { CorruptError, IoError, NotFoundError } from '../../../base/errors.js';
import { NotStarted, startProgram } from '../../../base/files/processes/program.js';

/** Settings of a repository that name programs, switched off. */
const SAFE = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];

const ENVIRONMENT = {
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_PAGER: 'cat',
  GIT_NO_LAZY_FETCH: '1',
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_NO_REPLACE_OBJECTS: '1',
  LC_ALL: 'C',
};

/** Longest answer of a list. */
const LIST_BYTES_MAX = 1 << 30;

/** The environment without variables that point git elsewhere. */
function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...ENVIRONMENT };
  for (const name of ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_OBJECT_DIRECTORY']) {
    delete env[name];
  }
  return env;
}

async function startGit(args: readonly string[]): Promise<ChildProcess> {
  try {
    return await startProgram('git', args, {
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    const hint = 'a git repository is read through the git command: install it';
    throw new NotFoundError(error.isAbsent ? 'git is not installed' : error.message, {
      ...{ kind: 'program', name: 'git' },
      hint: error.isAbsent ? hint : (error.hint ?? hint),
    });
  }
}

/** Runs git in a folder. @returns what it printed. @throws {IoError} {NotFoundError} */
export async function git(dir: string, args: readonly string[]): Promise<Buffer> {
  const child = await startGit(['-C', dir, ...SAFE, ...args]);
  const printed: Buffer[] = [];
  let bytes = 0;
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (said.length < 2000) said += chunk.toString('utf8');
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > LIST_BYTES_MAX) throw new IoError(`git said over ${LIST_BYTES_MAX} bytes`);
      printed.push(chunk);
    }
    if ((await ended) === 0) return Buffer.concat(printed);
  } catch (error) {
    child.kill();
    throw error;
  }
  throw new IoError(`git cannot read '${dir}': ${said.trim().split('\n')[0]}`, { file: dir });
}

/** Objects of a repository by their ids. Requests are answered one after another. */
export class GitObjects {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #dir: string;
  #rest: Buffer = Buffer.alloc(0);
  #busy: Promise<void> = Promise.resolve();

  constructor(dir: string) {
    const { spawn } = process.getBuiltinModule('node:child_process');
    this.#dir = dir;
    this.#child = spawn('git', ['-C', dir, ...SAFE, 'cat-file', '--batch'], {
      env: environment(),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.on('error', () => {});
    this.#child.stdin.on('error', () => {});
    this.#chunks = (this.#child.stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Bytes of an object of the given type, in pieces. Take all of them, or none. @throws {CorruptError} */
  async *stream(id: string, type: 'blob' | 'commit' | 'tag'): AsyncGenerator<Uint8Array> {
    const before = this.#busy;
    let release = (): void => {};
    this.#busy = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    let left = 0;
    try {
      this.#child.stdin.write(`${id}\n`);
      const head = await this.#line();
      const [, found, size] = head.split(' ');
      if (found === undefined || size === undefined) throw this.#damage(id, 'it is missing');
      left = Number(size) + 1;
      if (found !== type) throw this.#damage(id, `it is a ${found}`);
      while (left > 1) {
        const piece = await this.#take(left - 1);
        left -= piece.length;
        yield piece;
      }
    } finally {
      // What was asked for and not taken would be read as the next answer.
      while (left > 0) left -= (await this.#take(left)).length;
      release();
    }
  }

  /** A whole object of at most `max` bytes; null if it has more. */
  async read(id: string, type: 'blob' | 'commit' | 'tag', max: number): Promise<Buffer | null> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of this.stream(id, type)) {
      bytes += piece.length;
      if (bytes <= max) pieces.push(piece);
    }
    return bytes <= max ? Buffer.concat(pieces) : null;
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill();
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#chunks.next();
    if (done) throw new IoError(`git stopped reading '${this.#dir}'`, { file: this.#dir });
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) {
        const line = this.#rest.toString('latin1', 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      await this.#more();
    }
  }

  async #take(most: number): Promise<Buffer> {
    if (this.#rest.length === 0) await this.#more();
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  #damage(id: string, what: string): CorruptError {
    return new CorruptError(`object ${id} of '${this.#dir}' cannot be read: ${what}`, {
      file: this.#dir,
      hint: "'git fsck' says more",
    });
  }
}
