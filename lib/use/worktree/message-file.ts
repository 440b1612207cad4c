/** A message of a version that is in a file: one that a person gives, or writes there. */
import os from 'node:os';
import path from 'node:path';
import { DlvError, NotFoundError, UsageError } from '../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../base/files/files.js';
import { makeTemporaryFolder, removeFolder } from '../../base/files/temporary.js';
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

/** A message that was written, and where. */
export interface DraftedMessage {
  file: string;
  text: string;
  remove(): Promise<void>;
}

/** Name of the file, by which editors know what it is. */
const DRAFT_NAME = 'COMMIT_EDITMSG';

/**
 * Has a text written in a file of a temporary folder.
 * @param start  what it holds at first. @param edit  returns when it is written; if it fails, nothing is left.
 */
export async function draftMessage(
  start: string,
  edit: (file: string) => Promise<void>,
): Promise<DraftedMessage> {
  const folder = await makeTemporaryFolder(path.join(os.tmpdir(), 'dlv-message-'));
  const remove = (): Promise<void> => removeFolder(folder);
  try {
    const file = path.join(folder, DRAFT_NAME);
    await writeFileAtomic(file, new TextEncoder().encode(start));
    await edit(file);
    return { file, text: new TextDecoder().decode(await readMessageFile(file)), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
