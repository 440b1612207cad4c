/**
 * Sealed text: small state files (HEAD, refs, manifest, format) whose last line is a checksum of all
 * that is before it, so that every flipped byte is found.
 *
 *     <text, each line ended by LF>
 *     sum <first 16 hex digits of sha256 of the text>LF
 *
 * @see docs/format/layout.md
 */
import { BugError, CorruptError, DlvError } from '../errors.js';
import { sha256Hex } from './hash.js';

const SUM_LINE_BYTES = 'sum '.length + 16 + 1;

/** Appends the checksum line to text that ends with a line feed. */
export function seal(text: string): Uint8Array {
  return Buffer.from(`${text}sum ${sha256Hex(text).slice(0, 16)}\n`, 'utf8');
}

/** The text without its checksum line. @throws {CorruptError} if it does not match. */
export function unseal(bytes: Uint8Array, file: string): string {
  const at = bytes.length - SUM_LINE_BYTES;
  const body = bytes.subarray(0, Math.max(0, at));
  const sum = Buffer.from(bytes.subarray(Math.max(0, at))).toString('latin1');
  if (at < 0 || sum !== `sum ${sha256Hex(body).slice(0, 16)}\n`) {
    throw new CorruptError(`'${file}' is damaged: its checksum line does not match its content`, {
      file,
      hint: "run 'dlv fsck --rebuild'",
    });
  }
  return Buffer.from(body).toString('utf8');
}

/**
 * The bytes of a state file, after `parse`, which commands read it with, has read them back.
 * @throws {BugError} DLV_BUG if it refuses them. Nothing is written then: a file that nobody can read
 *   would make every later command fail.
 */
export function sealReadable(
  text: string,
  file: string,
  parse: (text: string, file: string) => unknown,
): Uint8Array {
  const bytes = seal(text);
  checkReadable(file, () => parse(unseal(bytes, file), file));
  return bytes;
}

/**
 * Runs the reader of an object or file over the bytes that are about to be written.
 * @throws {BugError} DLV_BUG if the reader refuses it; {LimitError}, and {IoError} for
 *   too little memory, pass through.
 */
export function checkReadable<T>(file: string, read: () => T): T {
  const refuse = (error: unknown): never => {
    // Too large for any process, or for the memory of this one: neither is a mistake in the bytes.
    const isTooLarge =
      error instanceof DlvError && (error.code === 'DLV_LIMIT' || error.data.errno === 'ENOMEM');
    if (isTooLarge) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new BugError(`cannot write '${file}': dlv could not read it again: ${why}`, {
      file,
      hint: 'nothing was changed; this is a mistake in dlv: please report it',
    });
  };
  try {
    const value = read();
    return value instanceof Promise ? (value.catch(refuse) as T) : value;
  } catch (error) {
    return refuse(error);
  }
}

/** Checksum of one line of an append-only file (reflog): 8 hex digits. */
export function lineSum(line: string): string {
  return sha256Hex(line).slice(0, 8);
}
