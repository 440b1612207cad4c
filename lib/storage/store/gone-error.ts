/** What is said of pack files that should be there. */
import { CorruptError } from '../../base/errors.js';

/** A file of a listed set that is not there: damage, unlike a set that gc has retired. */
export function goneError(error: unknown): CorruptError {
  const file = String((error as { data?: { file?: unknown } }).data?.file ?? 'a pack file');
  const isIndex = file.endsWith('.idx');
  return new CorruptError(`'${file}' is missing, but the manifest lists its set`, {
    file,
    hint: isIndex ? "run 'dlv fsck --rebuild' to rebuild it" : "run 'dlv fsck'",
  });
}
