/**
 * The error table: every error that dlv reports, with one stable code, class and exit code.
 *
 * Owns the classes thrown by every room. Mistakes in the input get a class of this table; our own
 * mistakes are `BugError`. Only cli maps codes to exit codes. docs/errors.md has one section per
 * code and a test keeps the two equal.
 */

/** Typed details of an error; `hint` is printed on its own line as the remedy. */
export interface ErrorData {
  hint?: string;
  [key: string]: unknown;
}

/** Code → exit code. The order is the order of docs/errors.md. */
export const ERROR_TABLE = {
  DLV_USAGE: 2,
  DLV_NOT_FOUND: 1,
  DLV_AMBIGUOUS: 1,
  DLV_EXISTS: 1,
  DLV_CONFLICT: 1,
  DLV_CHANGED: 1,
  DLV_TIER: 1,
  DLV_GIVEN_UP: 1,
  DLV_CONFIG: 1,
  DLV_IO: 1,
  DLV_UNSAFE: 1,
  DLV_REMOTE: 1,
  DLV_INFERENCE: 1,
  DLV_NO_REPOSITORY: 10,
  DLV_LOCKED: 11,
  DLV_CORRUPT: 12,
  DLV_TRUNCATED: 12,
  DLV_LIMIT: 12,
  DLV_FORMAT_VERSION: 13,
  DLV_ABORTED: 130,
  DLV_BUG: 70,
} as const;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** Base of every error that dlv throws on purpose: match on `code`, show `message` and `data.hint`. */
export class DlvError extends Error {
  readonly code: ErrorCode;
  readonly data: ErrorData;

  constructor(code: ErrorCode, message: string, data: ErrorData = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.data = data;
  }

  /** What is shown of it: no stack, no cause. */
  toJSON(): { code: ErrorCode; message: string; data: ErrorData } {
    const { code, message, data } = this;
    return { code, message, data };
  }

  /** The exit code that cli answers with. */
  get exitCode(): number {
    return ERROR_TABLE[this.code];
  }
}

/** A flag, argument or revision that cannot be understood. */
export class UsageError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_USAGE', message, data);
  }
}

/** A named thing (revision, path, tensor, model) that does not exist. */
export class NotFoundError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_NOT_FOUND', message, data);
  }
}

/** A short id that several things share. */
export class AmbiguousError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_AMBIGUOUS', message, data);
  }
}

/** A thing that is already there and would have to be overwritten. */
export class ExistsError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_EXISTS', message, data);
  }
}

/** Uncommitted work, an owned path, or a ref that another writer moved. */
export class ConflictError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_CONFLICT', message, data);
  }
}

/** A file that changed while it was being read. */
export class ChangedError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_CHANGED', message, data);
  }
}

/** A file whose exact bytes were given up for a lossy tier. */
export class TierError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_TIER', message, data);
  }
}

/** A file of which nothing is kept, as a tombstone of its version says. */
export class GivenUpError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_GIVEN_UP', message, data);
  }
}

/** A config file or value that is not understood. */
export class ConfigError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_CONFIG', message, data);
  }
}

/** The operating system refused: full disk, permissions, a failed fsync. */
export class IoError extends DlvError {
  constructor(message: string, data: ErrorData = {}, cause?: unknown) {
    super('DLV_IO', message, data, cause);
  }
}

/** A network that cannot be run: no runtime is installed, it refuses the network, or it died. */
export class InferenceError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_INFERENCE', message, data);
  }
}

/** A repository that belongs to another user, or has a link or special file where dlv keeps its own. */
export class UnsafeError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_UNSAFE', message, data);
  }
}

/** A remote that cannot be reached, refuses, or answers what it should not. */
export class RemoteError extends DlvError {
  constructor(message: string, data: ErrorData = {}, cause?: unknown) {
    super('DLV_REMOTE', message, data, cause);
  }
}

export class NoRepositoryError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_NO_REPOSITORY', message, data);
  }
}

export class LockedError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_LOCKED', message, data);
  }
}

/** Characters of a message about bytes of strangers: names in a file may have megabytes. */
const DAMAGE_CHARACTERS_MAX = 1000;
/** Of a longer one, so many stay at its start, and so many at its end, which says what is wrong. */
const [DAMAGE_START, DAMAGE_END] = [600, 200];

function damageText(message: string): string {
  if (message.length <= DAMAGE_CHARACTERS_MAX) return message;
  const cut = message.length - DAMAGE_START - DAMAGE_END;
  return `${message.slice(0, DAMAGE_START)} … (${cut} characters more) … ${message.slice(-DAMAGE_END)}`;
}

/** Stored or given bytes that contradict themselves: a checksum, a magic, an impossible field. */
export class CorruptError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_CORRUPT', damageText(message), data);
  }
}

/** Bytes that end before they should. */
export class TruncatedError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_TRUNCATED', damageText(message), data);
  }
}

/** A number in untrusted bytes beyond its bound in limits.ts. */
export class LimitError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_LIMIT', damageText(message), data);
  }
}

/** A repository or object written by a newer dlv. */
export class FormatVersionError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_FORMAT_VERSION', message, data);
  }
}

export class AbortedError extends DlvError {
  constructor(message = 'interrupted', data: ErrorData = {}) {
    super('DLV_ABORTED', message, data);
  }
}

/** A mistake of ours, never of the input. */
export class BugError extends DlvError {
  constructor(message: string, data: ErrorData = {}) {
    super('DLV_BUG', message, data);
  }
}

/** What the system may lack for any call, also for loading code and starting a process: in words, with the remedy. */
export const SYSTEM_LACKS: Readonly<Record<string, { says: string; hint: string }>> = {
  EMFILE: { says: 'too many files are open', hint: 'raise the limit of open files (ulimit -n)' },
  ENFILE: {
    says: 'too many files are open on this machine',
    hint: 'close programs that hold many files open',
  },
  ENOMEM: { says: 'memory is full', hint: 'close programs that hold much memory' },
};

/** Turns anything thrown into an error of the table. */
export function asDlvError(error: unknown): DlvError {
  if (error instanceof DlvError) return error;
  if (!(error instanceof Error)) return new BugError(`threw ${String(error)}`);
  if (error.name === 'AbortError') return new AbortedError();
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (syscall !== undefined && /^E[A-Z0-9]+$/.test(code ?? '')) {
    const what = path === undefined ? syscall : `${syscall} '${path}'`;
    const { says = null, hint } = SYSTEM_LACKS[code as string] ?? {};
    const data = { errno: code, file: path, ...(hint === undefined ? {} : { hint }) };
    return new IoError(
      `cannot ${what}: ${says === null ? code : `${says} (${code})`}`,
      data,
      error,
    );
  }
  if (saysNoMemory(error)) {
    const hint = 'close programs that hold much memory, or raise the limit (ulimit -v)';
    return new IoError('memory is full (ENOMEM)', { errno: 'ENOMEM', hint }, error);
  }
  const bug = new BugError(error.message, { hint: 'this is a mistake in dlv: please report it' });
  if (error.stack !== undefined) bug.stack = error.stack;
  return bug;
}

/** True for what the kernel, by its number -2, and Node say where the system gives no more memory. */
function saysNoMemory(error: Error): boolean {
  if ((error as { kernel?: unknown }).kernel === -2) return true;
  return error instanceof RangeError && error.message === 'Array buffer allocation failed';
}

/** Asserts one of our own invariants. @throws {BugError} DLV_BUG */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** True for errors that say "these bytes cannot be trusted" (corrupt, truncated or over a limit). */
export function isDamage(error: unknown): error is DlvError {
  return (
    error instanceof DlvError &&
    (error.code === 'DLV_CORRUPT' || error.code === 'DLV_TRUNCATED' || error.code === 'DLV_LIMIT')
  );
}

/** Error numbers of a file that is not there. */
const GONE = new Set<unknown>(['ENOENT', 'ENOTDIR']);

/**
 * True for errors that tell of one stored object that cannot be read, which others survive: it is
 * damaged, missing, given up, of a newer format, or in a file that another process has just merged away.
 */
export function isUnreadable(error: unknown): error is DlvError {
  return (
    isDamage(error) ||
    error instanceof NotFoundError ||
    error instanceof GivenUpError ||
    error instanceof FormatVersionError ||
    (error instanceof IoError && GONE.has(error.data.errno))
  );
}

/**
 * What is wrong with one stored object or file: it is nowhere, damaged, or of a newer format. Promised is no
 * fault: a remote has it.
 */
export type ObjectFault = 'missing' | 'damaged' | 'newer' | 'promised';

/** What an error of the kind of `isUnreadable` says; null for others. */
export function objectFault(error: unknown): ObjectFault | null {
  if (!isUnreadable(error)) return null;
  if (error instanceof FormatVersionError) return 'newer';
  if (error instanceof NotFoundError && error.data.kind === 'promised') return 'promised';
  return isDamage(error) ? 'damaged' : 'missing';
}
