/**
 * The register of long-running readers: which process reads the packs of which manifest, so that gc
 * does not delete them.
 *
 * A reader on read-only media, on a full disk, or without write permission is not registered, and
 * reads all the same. @see docs/format/refs.md
 */
import { seal, unseal } from '../../../base/bytes/sealed.js';
import { DlvError, isDamage } from '../../../base/errors.js';
import {
  isMissing,
  listDirectory,
  makeDirectory,
  readSmallFile,
  removeFile,
  renameFile,
  statOrNull,
  touchFile,
  WriteFile,
} from '../../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../../base/limits.js';
import type { Layout } from '../layout.js';
import { isReaderName } from './made-names.js';
import {
  formatIdentity,
  isAbandoned,
  isFromBeforeBoot,
  isSameProcess,
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
/** How often a registration says that its process is still there, to those who cannot see it. */
const BEAT_MS = 60 * 60 * 1000;

/** Registers this process as a reader of the manifest with the number `generation`. */
export async function registerReader(layout: Layout, generation: number): Promise<Registration> {
  const file = layout.newReader();
  const text = `${formatIdentity(ownIdentity())}\n${generation}\n`;
  try {
    await makeDirectory(layout.readers);
    await writeUnsynced(file, seal(text));
  } catch (error) {
    const errno = error instanceof DlvError ? error.data.errno : undefined;
    if (NOT_WRITABLE.has(errno as string)) return { close: async () => {} };
    throw error;
  }
  const beat = setInterval(() => void touchFile(file).catch(() => {}), BEAT_MS);
  beat.unref();
  return {
    close: () => {
      clearInterval(beat);
      return removeFile(file);
    },
  };
}

/** The file appears whole; it need not outlive a power cut, which ends its process as well. */
async function writeUnsynced(file: string, bytes: Uint8Array): Promise<void> {
  const target = await WriteFile.createTemporary(file);
  try {
    await target.write(bytes);
    await target.close();
    await renameFile(target.path, file);
  } catch (error) {
    await target.close().catch(() => {});
    await removeFile(target.path).catch(() => {});
    throw error;
  }
}

/** Reads a registration; null if it is gone, or its process is. */
async function readRegistration(file: string): Promise<RegisteredReader | null> {
  const there = await statOrNull(file);
  if (there === null) return null;
  const trace = { file, mtimeNs: there.stat.mtimeNs };
  try {
    const text = unseal(await readSmallFile(file, STATE_FILE_BYTES_MAX), file);
    const [who = '', generation = ''] = text.split('\n');
    const process = parseIdentity(who);
    if (process !== null && /^\d{1,15}$/.test(generation)) {
      const state = await processState(process, trace);
      if (state === 'dead' || (state === 'unknown' && isAbandoned(trace.mtimeNs))) return null;
      return { file, process, generation: Number(generation) };
    }
  } catch (error) {
    if (isMissing(error)) return null;
    if (!isDamage(error)) throw error;
  }
  const isGone = (await isFromBeforeBoot(trace)) || isAbandoned(trace.mtimeNs);
  return isGone ? null : { file, process: null, generation: 0 };
}

/**
 * Readers that may still be reading, this process included. Those that are surely dead are removed
 * from the register, and those that nobody here can see, or whose registration is damaged, once they
 * gave no sign for a day.
 */
export async function listReaders(layout: Layout): Promise<RegisteredReader[]> {
  const readers: RegisteredReader[] = [];
  for (const name of await listDirectory(layout.readers)) {
    if (!isReaderName(name)) continue;
    const file = layout.readerFile(name);
    const reader = await readRegistration(file);
    if (reader === null) {
      await removeFile(file).catch(() => {}); // best effort: the next call finds it again
    } else {
      readers.push(reader);
    }
  }
  return readers;
}

/** Readers other than this process. */
export async function listOtherReaders(layout: Layout): Promise<RegisteredReader[]> {
  const own = ownIdentity();
  const readers = await listReaders(layout);
  return readers.filter(({ process }) => process === null || !isSameProcess(process, own));
}
