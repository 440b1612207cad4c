/**
 * The register of long readers: who reads packs of which manifest, so that gc leaves them in place.
 *
 * A reader on read-only media, on a full disk, or without the right to write, is not registered and
 * reads all the same. @see docs/format/refs.md
 */
import path from 'node:path';
import {
  isMissing,
  listDirectory,
  makeDirectory,
  readSmallFile,
  removeFile,
  renameFile,
  statOrNull,
  WriteFile,
} from '../../../base/bytes/files.js';
import { seal, unseal } from '../../../base/bytes/sealed.js';
import { DlvError, isDamage } from '../../../base/errors.js';
import { STATE_FILE_BYTES_MAX } from '../../../base/limits.js';
import { type Layout, TEMPORARY_PREFIX } from '../layout.js';
import {
  formatIdentity,
  isFromBeforeBoot,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
  processState,
} from './process-identity.js';

/** One registered reader. */
export interface RegisteredReader {
  file: string;
  /** null if its file is damaged: it may be anyone. */
  process: ProcessIdentity | null;
  /** Number of the manifest that it reads; 0 if the file is damaged. */
  generation: number;
}

/** A registration to be closed. */
export interface Registration {
  /** Ends the registration. May be called more than once. */
  close(): Promise<void>;
}

const NOT_WRITABLE = new Set(['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT']);
let readerNumber = 0;

/** Registers this process as a reader of the manifest with the number `generation`. */
export async function registerReader(layout: Layout, generation: number): Promise<Registration> {
  const file = layout.reader(process.pid, readerNumber++);
  const text = `${formatIdentity(ownIdentity())}\n${generation}\n`;
  try {
    await makeDirectory(layout.readers);
    await writeUnsynced(file, seal(text));
  } catch (error) {
    const errno = error instanceof DlvError ? error.data.errno : undefined;
    if (NOT_WRITABLE.has(errno as string)) return { close: async () => {} };
    throw error;
  }
  return { close: () => removeFile(file) };
}

/** The file appears whole; it need not outlive a power cut, which ends its process as well. */
async function writeUnsynced(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = path.join(path.dirname(file), TEMPORARY_PREFIX + path.basename(file));
  const target = await WriteFile.create(temporary);
  try {
    await target.write(bytes);
    await target.close();
    await renameFile(temporary, file);
  } catch (error) {
    await target.close().catch(() => {});
    await removeFile(temporary).catch(() => {});
    throw error;
  }
}

async function readRegistration(file: string): Promise<RegisteredReader | null> {
  try {
    const text = unseal(await readSmallFile(file, STATE_FILE_BYTES_MAX), file);
    const [who = '', generation = ''] = text.split('\n');
    const process = parseIdentity(who);
    if (process !== null && /^\d{1,15}$/.test(generation)) {
      return { file, process, generation: Number(generation) };
    }
  } catch (error) {
    if (isMissing(error)) return null;
    if (!isDamage(error)) throw error;
  }
  const there = await statOrNull(file);
  if (there === null) return null;
  if (isFromBeforeBoot(there.stat.mtimeNs)) {
    await removeFile(file).catch(() => {});
    return null;
  }
  return { file, process: null, generation: 0 };
}

/**
 * Readers that may still be reading, this process included. Those that are surely dead are removed
 * from the register; a damaged registration counts as a reader until the system starts again.
 */
export async function listReaders(layout: Layout): Promise<RegisteredReader[]> {
  const readers: RegisteredReader[] = [];
  for (const name of await listDirectory(layout.readers)) {
    if (name.startsWith(TEMPORARY_PREFIX)) continue;
    const reader = await readRegistration(path.join(layout.readers, name));
    if (reader === null) continue;
    if (reader.process !== null && processState(reader.process) === 'dead') {
      await removeFile(reader.file).catch(() => {}); // best effort: the next call finds it again
    } else {
      readers.push(reader);
    }
  }
  return readers;
}
