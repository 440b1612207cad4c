/**
 * What tells a bundle from other zip archives: its first entry, and which names the others may have.
 *
 * @see docs/format/bundle.md
 */
import { type Id, isId } from '../../../base/bytes/hash.js';
import { linesOf } from '../../../base/bytes/lines.js';
import { seal, unseal } from '../../../base/bytes/sealed.js';
import { CorruptError, FormatVersionError, isDamage } from '../../../base/errors.js';
import { FILE_CLASSES, isSetId } from '../../store/types.js';

/** Name of the first entry. */
export const HEAD_NAME = 'dlv-bundle';
/** Names of the first objects that a reader asks for. */
export const STATE_NAMES: readonly string[] = ['remote', 'format'];

const FORM = 'dlv bundle 1';
/** The shortest line is the form. */
const LEAST_CHARS = FORM.length;

/** Bytes of the first entry. @param needs  versions that a reader has to have already, in any order. */
export function encodeBundleHead(needs: readonly Id[]): Uint8Array {
  return seal([FORM, ...[...needs].sort().map((id) => `needs ${id}`), ''].join('\n'));
}

/** The mirror of encodeBundleHead. @throws {CorruptError} {FormatVersionError} */
export function decodeBundleHead(bytes: Uint8Array, file: string): Id[] {
  const [first = '', ...rest] = linesOf(text(bytes, file), LEAST_CHARS) ?? [];
  if (first !== FORM && /^dlv bundle \d+$/.test(first)) {
    throw new FormatVersionError(`'${file}' has the form '${first}', which this dlv cannot read`, {
      file,
      hint: 'a newer dlv wrote it: upgrade dlv',
    });
  }
  const needs = rest.map((line) => line.slice('needs '.length)).filter(isId);
  const again = encodeBundleHead(needs);
  if (new Set(needs).size === needs.length && Buffer.compare(again, bytes) === 0) return needs;
  throw damagedBundle(file, 'its first entry cannot be read');
}

function text(bytes: Uint8Array, file: string): string {
  try {
    return unseal(bytes, file);
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw damagedBundle(file, 'the checksum of its first entry does not match');
  }
}

/** True for the names that objects of a remote have. */
export function isObjectName(name: string): boolean {
  if (STATE_NAMES.includes(name)) return true;
  if (/^lists\/[0-9a-f]{64}$/.test(name)) return true;
  const [, id = '', fileClass = ''] = /^packs\/([^./]+)\.([a-z]+)$/.exec(name) ?? [];
  return isSetId(id) && FILE_CLASSES.some((known) => known === fileClass);
}

/** That a file is a bundle, and not whole or not sound. @param missing  an object that it lists is not there. */
export function damagedBundle(file: string, what: string, missing = false): CorruptError {
  return new CorruptError(`the bundle '${file}' is damaged: ${what}`, {
    ...{ file, ...(missing ? { missing } : {}) },
    hint: "nothing of it was taken: copy it again, or make it again with 'dlv export'",
  });
}
