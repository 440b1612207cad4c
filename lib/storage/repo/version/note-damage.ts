/** The error of a note whose content is not what its kind asks for. */
import { CorruptError } from '../../../base/errors.js';

/** @param what  is wrong, after `'<file>' is damaged:`. */
export function damagedNote(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: ${what}`, { file, hint: "run 'dlv fsck'" });
}
