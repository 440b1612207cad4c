/** Which call of a process fails, and how: the memory that calls.c shares with the tests. */
import fs from 'node:fs';

/** Kinds of calls, in the order of calls.c. */
export const KINDS = [
  'open',
  'read',
  'write',
  'fsync',
  'truncate',
  'rename',
  'link',
  'unlink',
  'mkdir',
  'rmdir',
  'list',
  'stat',
  'close',
] as const;
export type Kind = (typeof KINDS)[number];

/** Numbers of Linux. */
const ERRNO = { EINTR: 4, EIO: 5, EACCES: 13, EMFILE: 24, ENOSPC: 28 } as const;
export type Errno = keyof typeof ERRNO;

/** What the n-th call does: an error, half of the bytes, or an error from that call on. */
export type Fault = Errno | 'short' | `${Errno} from then on`;

/** Faults that calls of each kind can meet. */
export const FAULTS: Readonly<Record<Kind, readonly Fault[]>> = {
  open: ['EIO', 'EACCES', 'EMFILE', 'EMFILE from then on'],
  read: ['EIO', 'short', 'EINTR'],
  write: ['EIO', 'ENOSPC', 'short', 'ENOSPC from then on', 'EINTR'],
  fsync: ['EIO', 'ENOSPC'],
  truncate: ['EIO', 'ENOSPC'],
  rename: ['EIO', 'EACCES', 'ENOSPC'],
  link: ['EIO', 'EACCES', 'ENOSPC'],
  unlink: ['EIO', 'EACCES'],
  mkdir: ['EIO', 'ENOSPC', 'EACCES'],
  rmdir: ['EIO', 'EACCES'],
  list: ['EIO', 'EACCES'],
  stat: ['EIO', 'EACCES'],
  close: ['EIO'],
};

/** What became of a fault. */
export interface Injected {
  /** Calls that were made, by kind. */
  calls: Record<Kind, number>;
  /** The file of the call that failed, or null if there were fewer. */
  hit: string | null;
}

/** Words of struct plan before the counts of calls; the count of hits is the last of them. */
const WORDS = 6;
const PATH_AT = 4 * (WORDS + KINDS.length);
const PLAN_BYTES = PATH_AT + 480;

/** struct plan of calls.c, in a file that the process maps. */
export class FaultPlan {
  readonly file: string;
  readonly #fd: number;

  /** @param file  is made; `close` removes it. */
  constructor(file: string) {
    this.file = file;
    fs.writeFileSync(file, Buffer.alloc(PLAN_BYTES));
    this.#fd = fs.openSync(file, 'r+');
  }

  /** The n-th call of a kind will fail. */
  arm(kind: Kind, n: number, fault: Fault): void {
    const [errno] = fault.split(' ') as [Errno];
    const action = fault === 'short' ? 1 : fault.includes(' ') ? 2 : 0;
    const words = [1, KINDS.indexOf(kind), action, ERRNO[errno] ?? 0, n, 0];
    const bytes = Buffer.alloc(PLAN_BYTES);
    for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 4 * i);
    fs.writeSync(this.#fd, bytes, 0, bytes.length, 0);
  }

  /** No call will fail. @returns what happened since `arm`. */
  disarm(): Injected {
    const bytes = Buffer.alloc(PLAN_BYTES);
    fs.readSync(this.#fd, bytes, 0, bytes.length, 0);
    fs.writeSync(this.#fd, Buffer.alloc(4), 0, 4, 0);
    const counts = KINDS.map((kind, i) => [kind, bytes.readUInt32LE(4 * (WORDS + i))]);
    const hits = bytes.readUInt32LE(4 * (WORDS - 1));
    const path = bytes.toString('utf8', PATH_AT, bytes.indexOf(0, PATH_AT));
    return { calls: Object.fromEntries(counts), hit: hits === 0 ? null : path };
  }

  close(): void {
    fs.closeSync(this.#fd);
    fs.rmSync(this.file);
  }
}
