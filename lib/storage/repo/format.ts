/**
 * The file `format`: which features a reader and a writer of this repository must know.
 *
 * An unknown read-required flag refuses the repository; an unknown write-required flag makes it
 * read-only; optional flags are kept and ignored. @see docs/format/refs.md
 */

import { sealReadable, unseal } from '../../base/bytes/sealed.js';
import { CorruptError, FormatVersionError } from '../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from './layout.js';
import type { RepositoryLock } from './processes/lock.js';

/** What a repository asks of those who use it. Flags are sorted. */
export interface Format {
  readRequired: string[];
  writeRequired: string[];
  optional: string[];
}

/** The flags of a new repository. `preview`: the format may still change with a version bump. */
export const CURRENT_FORMAT: Format = {
  readRequired: ['ids-sha256-1', 'packs-1'],
  writeRequired: ['manifest-1'],
  optional: ['preview'],
};

/**
 * Read-required once one of them is stored: bases with operations (docs/format/codec.md) and literals with
 * big-endian elements (docs/format/recipe.md). An older dlv would call either damaged.
 */
export const OBJECTS_FLAG = 'objects-2';
/** Read-required once a base is quantised, or cast to or from float64: later operations. */
export const QUANTISED_FLAG = 'objects-3';
/** Read-required once something is promised by a remote: an older dlv would call it missing. */
export const PROMISED_FLAG = 'promised-1';
/** The read-required flags that this dlv knows. */
const READ_FLAGS: readonly string[] = [
  ...CURRENT_FORMAT.readRequired,
  OBJECTS_FLAG,
  QUANTISED_FLAG,
  PROMISED_FLAG,
].sort();

/** Read-required of a remote, which has no HEAD, staging and manifest: it is no repository to work in. */
export const REMOTE_FLAG = 'remote-1';

/** Write-required once a version has a tier: an older dlv would collect the replacements of its files. */
export const TIERS_FLAG = 'tiers-1';
/** Write-required once a version has a number: an older dlv would make versions without one. */
export const NUMBERS_FLAG = 'numbers-1';
/**
 * Write-required once refs were moved together: an older dlv would not end the moves of a killed command,
 * and would take the list of versions that are gone for the log of a lost ref.
 */
export const MOVES_FLAG = 'moves-1';
/** Write-required once work was stashed: an older dlv would collect it as garbage. */
export const STASH_FLAG = 'stash-1';
/** Write-required once files of a version were given up: an older dlv would call them missing. */
export const TOMBSTONES_FLAG = 'tombstones-1';
/** The write-required flags that this dlv knows. */
const WRITE_FLAGS: readonly string[] = [
  ...CURRENT_FORMAT.writeRequired,
  MOVES_FLAG,
  NUMBERS_FLAG,
  STASH_FLAG,
  TIERS_FLAG,
  TOMBSTONES_FLAG,
];

const FIRST_LINE = 'dlv repository';
const FLAG = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LABELS = [
  ['read-required', 'readRequired'],
  ['write-required', 'writeRequired'],
  ['optional', 'optional'],
] as const;

/** Text of the file before its checksum line. */
export function formatFormat(format: Format): string {
  const lines = LABELS.map(([label, key]) => [`${label}:`, ...[...format[key]].sort()].join(' '));
  return `${[FIRST_LINE, ...lines].join('\n')}\n`;
}

/** The mirror of formatFormat. @throws {CorruptError} DLV_CORRUPT if it is not in canonical form. */
export function parseFormat(text: string, file: string): Format {
  const format: Format = { readRequired: [], writeRequired: [], optional: [] };
  const lines = text.split('\n').slice(1);
  LABELS.forEach(([label, key], i) => {
    const [first, ...flags] = (lines[i] ?? '').split(' ');
    if (first === `${label}:`) format[key] = flags;
  });
  const flags = [...format.readRequired, ...format.writeRequired, ...format.optional];
  const isKnown = flags.every((flag) => FLAG.test(flag)) && new Set(flags).size === flags.length;
  if (!isKnown || formatFormat(format) !== text) {
    throw new CorruptError(`'${file}' is damaged: it is not a list of feature flags`, {
      file,
      hint: "run 'dlv fsck --rebuild'",
    });
  }
  return format;
}

function newer(file: string, does: string, flag: string): FormatVersionError {
  return new FormatVersionError(`cannot ${does} this repository: '${file}' requires '${flag}'`, {
    file,
    found: flag,
    readable: [...READ_FLAGS, ...WRITE_FLAGS],
    hint: 'it was written by a newer dlv: upgrade dlv',
  });
}

/**
 * Reads and checks the flags of a repository.
 * @throws {FormatVersionError} DLV_FORMAT_VERSION for an unknown read-required flag;
 *   {CorruptError} DLV_CORRUPT if the file is damaged or missing.
 */
export async function readFormat(layout: Layout): Promise<Format> {
  const file = layout.format;
  let bytes: Uint8Array;
  try {
    bytes = await readSmallFile(file, STATE_FILE_BYTES_MAX);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new CorruptError(`'${file}' is missing`, {
      file,
      hint:
        "run 'dlv init' again if it was interrupted; if files of '.dlv' were deleted, as 'git clean' " +
        "does, 'dlv fsck --rebuild' makes them again",
    });
  }
  const format = parseFormat(unseal(bytes, file), file);
  const unknown = format.readRequired.find((flag) => !READ_FLAGS.includes(flag));
  if (unknown !== undefined) throw newer(file, 'read', unknown);
  return format;
}

/** The flags of a remote as they were read. @throws {FormatVersionError} for an unknown one; {CorruptError} */
export function parseRemoteFormat(bytes: Uint8Array, file: string): Format {
  const format = parseFormat(unseal(bytes, file), file);
  const unknown = format.readRequired.find(
    (flag) => flag !== REMOTE_FLAG && !READ_FLAGS.includes(flag),
  );
  if (unknown !== undefined) throw newer(file, 'read', unknown);
  return format;
}

/** Bytes of the file of a remote. */
export function encodeFormat(format: Format, file: string): Uint8Array {
  return sealReadable(formatFormat(format), file, parseFormat);
}

/** The flags of two formats together. */
export function joinFormats(a: Format, b: Format): Format {
  const join = (key: keyof Format): string[] => [...new Set([...a[key], ...b[key]])].sort();
  const [readRequired, writeRequired] = [join('readRequired'), join('writeRequired')];
  return { readRequired, writeRequired, optional: join('optional') };
}

/** True if this dlv may write the repository. */
export function isWritable(format: Format): boolean {
  return format.writeRequired.every((flag) => WRITE_FLAGS.includes(flag));
}

/** @throws {FormatVersionError} DLV_FORMAT_VERSION if the repository is read-only for this dlv. */
export function checkWritable(layout: Layout, format: Format): void {
  const unknown = format.writeRequired.find((flag) => !WRITE_FLAGS.includes(flag));
  if (unknown !== undefined) throw newer(layout.format, 'write', unknown);
}

/** Writes the flags of a repository. */
export async function writeFormat(layout: Layout, format = CURRENT_FORMAT): Promise<void> {
  const file = layout.format;
  await writeFileAtomic(file, sealReadable(formatFormat(format), file, parseFormat));
}

/** The flags that a damaged `format` is rebuilt with: all that any repository may need. */
export const REBUILT_FORMAT: Format = {
  ...CURRENT_FORMAT,
  readRequired: [...READ_FLAGS],
  writeRequired: [...WRITE_FLAGS],
};

/** Adds a flag that writers must know, on the disk when this returns. */
export function requireWriteFlag(lock: RepositoryLock, flag: string): Promise<void> {
  return requireFlag(lock, 'writeRequired', flag);
}

/** Adds a flag that readers must know, on the disk when this returns. */
export function requireReadFlag(lock: RepositoryLock, flag: string): Promise<void> {
  return requireFlag(lock, 'readRequired', flag);
}

async function requireFlag(
  lock: RepositoryLock,
  list: 'readRequired' | 'writeRequired',
  flag: string,
): Promise<void> {
  lock.assertHeld();
  const format = await readFormat(lock.layout);
  if (format[list].includes(flag)) return;
  await writeFormat(lock.layout, { ...format, [list]: [...format[list], flag].sort() });
}
