/**
 * The lock of a repository: who holds it, waiting for it, and taking it over from a dead process.
 *
 * A lock file appears whole (written aside, then linked to its name) and carries a random nonce. Only
 * its owner removes it, or, if the owner is dead, whoever holds the *break lock* named after that
 * nonce and then still finds the same nonce in place: so two takers can never both win, and a late
 * one can never remove the lock of a new owner. Break locks are locks themselves, hence recursive.
 * Start at `withLock`. @see docs/format/refs.md
 */

import path from 'node:path';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { sha256Hex } from '../../../base/bytes/hash.js';
import { steadyMs } from '../../../base/bytes/pace.js';
import { PLAIN } from '../../../base/bytes/printable.js';
import { seal, unseal } from '../../../base/bytes/sealed.js';
import { assert, isDamage, LockedError } from '../../../base/errors.js';
import { io, ioError, ReadFile, removeFile, WriteFile } from '../../../base/files/files.js';
import { randomName } from '../../../base/files/process.js';
import { STATE_FILE_BYTES_MAX } from '../../../base/limits.js';
import { keepStateFiles } from '../kept.js';
import type { Layout } from '../layout.js';
import {
  formatIdentity,
  isFromBeforeBoot,
  type Liveness,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
  processState,
} from './process-identity.js';

/** Who holds a lock. */
export interface LockHolder {
  /** null if the lock file is damaged. */
  process: ProcessIdentity | null;
  /** What it was doing, for people. */
  command: string;
  /** When it took the lock, milliseconds since 1970. */
  since: number;
  /** 32 hex digits that no other lock has. */
  nonce: string;
  /** Is the holder still there? 'unknown' in another container or host, or if the file is damaged. */
  state: Liveness;
}

/** Proof that the caller holds the lock: functions that change shared state ask for it. */
export interface RepositoryLock {
  readonly layout: Layout;
  /** @throws {BugError} DLV_BUG if it was released. */
  assertHeld(): void;
}

/** How the lock is waited for. */
export interface LockWait {
  /** True: also when the command was asked to stop. For the last steps of what would leave something behind otherwise. */
  toEnd?: boolean;
}

export interface LockOptions {
  /** How long to wait for another holder; 0 tries once. Default 10 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Shown to those who wait. Default: the command line. */
  command?: string;
}

const TIMEOUT_MS = 10_000;
const POLL_MS_MIN = 4;
const POLL_MS_MAX = 100;
/** Break locks of break locks: each level needs one more process that died in microseconds. */
const BREAK_DEPTH_MAX = 8;

/** Tries to remove a lock of our own. */
const RELEASE_ATTEMPTS = 3;

const NONCE = /^[0-9a-f]{32}$/;

/** What a lock file says; null if nothing is there. */
async function readHolder(file: string): Promise<LockHolder | null> {
  const source = await ReadFile.openIfThere(file);
  if (source === null) return null;
  const { inode, mtimeNs, size } = source.stat;
  try {
    const text = unseal(await source.read(0, Math.min(size, STATE_FILE_BYTES_MAX)), file);
    const [processLine = '', nonce = '', since, command = ''] = text.split('\n');
    const process = parseIdentity(processLine);
    if (process !== null && NONCE.test(nonce)) {
      const state = await processState(process, { file, mtimeNs });
      return { process, nonce, since: Number(since), command, state };
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
  } finally {
    await source.close();
  }
  // Locks are not synced, so a power cut can leave an empty one: its file stands for its nonce.
  const nonce = sha256Hex(`${inode} ${mtimeNs} ${size}`).slice(0, 32);
  const state = (await isFromBeforeBoot({ file, mtimeNs })) ? 'dead' : 'unknown';
  return { process: null, nonce, since: 0, command: '', state };
}

/** Who holds the lock of a repository now, or null. */
export async function lockHolder(layout: Layout): Promise<LockHolder | null> {
  return readHolder(layout.lock);
}

/** Is the holder of a lock file still there? 'dead' also if there is no such file. */
export async function lockState(file: string): Promise<Liveness> {
  return (await readHolder(file))?.state ?? 'dead';
}

/** Creates `file` with `bytes` unless it exists. @returns whether it was created. */
async function createWhole(file: string, bytes: Uint8Array): Promise<boolean> {
  const target = await WriteFile.createTemporary(file);
  const temporary = target.path;
  try {
    await target.write(bytes);
    await target.close();
    try {
      await io.link(temporary, file);
      return true;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EEXIST') return false;
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EMLINK') {
        throw ioError('create', file, error);
      }
    }
    return await createExclusive(file, bytes);
  } finally {
    await target.close().catch(() => {});
    await io.unlink(temporary).catch(() => {});
  }
}

/** For file systems without hard links: the file exists for a moment before its content does. */
async function createExclusive(file: string, bytes: Uint8Array): Promise<boolean> {
  let target: WriteFile;
  try {
    target = await WriteFile.create(file);
  } catch (error) {
    if ((error as { data?: { errno?: string } }).data?.errno === 'EEXIST') return false;
    throw error;
  }
  try {
    await target.write(bytes);
    await target.close();
    return true;
  } catch (error) {
    await target.close().catch(() => {});
    await removeFile(file).catch(() => {});
    throw error;
  }
}

/** The lock that a taker holds while it removes that of a dead holder. */
function breakLockOf(file: string, stale: LockHolder): string {
  return `${file}.${stale.nonce.slice(0, 16)}`;
}

/** Removes the lock `file` of a dead holder, if it is still the one with this nonce. */
async function breakLock(file: string, stale: LockHolder, depth: number): Promise<void> {
  if (depth >= BREAK_DEPTH_MAX) return;
  const breakFile = breakLockOf(file, stale);
  const nonce = await tryAcquire(breakFile, `taking over '${path.basename(file)}'`, depth + 1);
  if (nonce === null) return; // another process is taking it over
  try {
    const now = await readHolder(file);
    if (now?.nonce === stale.nonce) await removeFile(file);
  } finally {
    await release(breakFile, nonce);
  }
}

/** Tries once, taking over from a dead holder. @returns the nonce of the lock, or null if it is held. */
async function tryAcquire(file: string, command: string, depth = 0): Promise<string | null> {
  const nonce = randomName(4);
  const text = `${formatIdentity(ownIdentity())}\n${nonce}\n${Date.now()}\n${command}\n`;
  const bytes = seal(text);
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await createWhole(file, bytes)) return nonce;
    const holder = await readHolder(file);
    if (holder === null) continue; // released meanwhile
    if (holder.state !== 'dead') return null;
    await breakLock(file, holder, depth);
  }
  return null;
}

/**
 * Removes our own lock; one that is not ours any more is left alone. A device that fails once must not
 * leave this process, which may live on, in its own way: it is tried again.
 */
async function release(file: string, nonce: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const holder = await readHolder(file);
      if (holder?.nonce === nonce) await removeFile(file);
      return;
    } catch (error) {
      if (attempt === RELEASE_ATTEMPTS) throw error;
    }
  }
}

/** The lock that keeps others waiting: a dead one waits for its own break lock. */
async function findBlocker(file: string): Promise<{ file: string; holder: LockHolder | null }> {
  let blocker = { file, holder: await readHolder(file) };
  for (let depth = 0; depth < BREAK_DEPTH_MAX && blocker.holder?.state === 'dead'; depth++) {
    const breakFile = breakLockOf(blocker.file, blocker.holder);
    const holder = await readHolder(breakFile);
    if (holder === null) break;
    blocker = { file: breakFile, holder };
  }
  return blocker;
}

async function lockedError(place: LockPlace): Promise<LockedError> {
  const { file, holder } = await findBlocker(place.file);
  const where = `${place.what} is locked`;
  if (holder === null) {
    return new LockedError(`${where}: other processes keep taking it`, {
      path: file,
      hint: 'try again in a moment',
    });
  }
  if (holder.process === null) {
    return new LockedError(`${where}: its lock file is damaged`, {
      path: file,
      hint: `if no other dlv runs here, remove '${file}' and try again`,
    });
  }
  const { process: who, command, since, state } = holder;
  const sinceText = new Date(since).toISOString();
  return new LockedError(`${where} by process ${who.pid} on '${who.host}': ${command}`, {
    path: file,
    holder: { pid: who.pid, host: who.host, command, since: sinceText },
    hint:
      state === 'unknown'
        ? `it has held the lock since ${sinceText} on another host or in another container, where ` +
          `it cannot be seen from here; if it has ended, remove '${file}' and try again`
        : 'wait until it has ended, then try again',
  });
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}

function commandLine(): string {
  const [, script = 'dlv', ...args] = process.argv;
  return [path.basename(script), ...args].join(' ').slice(0, 200);
}

/** A lock file, and what it locks as messages say it: `repository '/models/net'`. */
export interface LockPlace {
  readonly file: string;
  readonly what: string;
}

/**
 * Runs `fn` while this process alone holds the lock of the repository, then releases it.
 *
 * Not re-entrant. `fn` should take milliseconds.
 * @throws {LockedError} DLV_LOCKED naming the holder after `timeoutMs`; {AbortedError} DLV_ABORTED.
 */
export function withLock<T>(
  layout: Layout,
  fn: (lock: RepositoryLock) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const place = { file: layout.lock, what: `repository '${layout.workTree}'` };
  return withLockFile(
    place,
    async (assertHeld) => {
      const result = await fn({ layout, assertHeld });
      await keepStateFiles(layout);
      return result;
    },
    options,
  );
}

/**
 * The same for any lock file, that of a remote in a folder.
 * @param fn  is given a check that the lock is held still.
 */
export async function withLockFile<T>(
  place: LockPlace,
  fn: (assertHeld: () => void) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const { timeoutMs = TIMEOUT_MS, signal } = options;
  const asked = options.command ?? commandLine();
  const command = PLAIN.test(asked) ? asked : asked.replace(/\p{Cc}/gu, ' ');
  const deadline = steadyMs() + timeoutMs;
  let wait = POLL_MS_MIN;
  let nonce: string | null;
  for (;;) {
    throwIfAborted(signal);
    nonce = await tryAcquire(place.file, command);
    if (nonce !== null) break;
    const left = deadline - steadyMs();
    if (left <= 0) throw await lockedError(place);
    // Waiting a random part of the step keeps two waiters from meeting again and again.
    await pause(Math.min(left, wait * (0.5 + Math.random() / 2)), signal);
    wait = Math.min(wait * 1.6, POLL_MS_MAX);
  }
  let held = true;
  try {
    return await fn(() => assert(held, `the lock of ${place.what} is held`));
  } finally {
    held = false;
    await release(place.file, nonce);
  }
}
