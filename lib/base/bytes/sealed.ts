/**
 * Sealed text: small state files (HEAD, refs, manifest, format) whose last line is a checksum of all
 * that stands before it, so that every flipped byte is found.
 *
 *     <text, each line ended by LF>
 *     sum <first 16 hex digits of sha256 of the text>LF
 *
 * @see docs/format/layout.md
 */
import { CorruptError } from '../errors.js';
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

/** Checksum of one line of an append-only file (reflog): 8 hex digits. */
export function lineSum(line: string): string {
  return sha256Hex(line).slice(0, 8);
}
