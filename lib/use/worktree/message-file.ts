/** A message of a version that is in a file. */

import { DlvError, NotFoundError, UsageError } from '../../base/errors.js';
import { isMissing, readSmallFile } from '../../base/files/files.js';
import { MESSAGE_BYTES_MAX } from '../../base/limits.js';

/** The bytes of a file. @throws {NotFoundError}; {UsageError} if a message cannot be so long. */
export async function readMessageFile(file: string): Promise<Uint8Array> {
  try {
    return await readSmallFile(file, MESSAGE_BYTES_MAX);
  } catch (error) {
    if (isMissing(error)) {
      throw new NotFoundError(`there is no file '${file}'`, { kind: 'file', name: file });
    }
    if (!(error instanceof DlvError) || error.code !== 'DLV_LIMIT') throw error;
    throw new UsageError(`the message in '${file}' is over ${MESSAGE_BYTES_MAX} bytes`);
  }
}
