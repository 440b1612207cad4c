/** Whether the pack files that a remote lists are there. No record is read: what they hold is checked on arrival. */
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { packName } from '../../store/names.js';
import { FILE_CLASSES } from '../../store/types.js';
import { Remote, type RemoteReader } from '../remote/remote.js';
import type { TransferOptions } from '../transports/transport.js';

/** A file of a pack set that a remote lists. */
interface PackFile {
  name: string;
  bytes: number;
}

async function listedFiles(source: RemoteReader, options: TransferOptions): Promise<PackFile[]> {
  const files: PackFile[] = [];
  for (const { id, bytes } of (await source.holdings(options)).sets) {
    for (const fileClass of FILE_CLASSES) {
      if (bytes[fileClass] > 0) {
        files.push({ name: packName(id, fileClass), bytes: bytes[fileClass] });
      }
    }
  }
  return files;
}

/**
 * Names of the listed pack files that are not there, or have other sizes. A folder and a bucket are listed; a web
 * server is asked for the size of each file. No file is opened.
 */
export async function missingPacks(
  source: RemoteReader,
  options: TransferOptions = {},
): Promise<string[]> {
  // A repository lists what it has, and a bundle is one file.
  if (!(source instanceof Remote)) return [];
  const { transport } = source;
  const files = await listedFiles(source, options);
  if (transport.upkeep !== undefined) {
    const there = await transport.upkeep.list('packs', options);
    const sizes = new Map(there.map(({ name, bytes }) => [name, bytes]));
    return files.filter(({ name, bytes }) => sizes.get(name) !== bytes).map(({ name }) => name);
  }
  const missing: string[] = [];
  await forEachLimit(files, source.concurrency, async ({ name, bytes }) => {
    const there = await transport.size?.(name, options);
    const isOther =
      there === null || (there !== undefined && there !== 'unknown' && there !== bytes);
    if (isOther) missing.push(name);
  });
  return missing.sort();
}

/** The first listed pack file that is not there, where looking costs next to nothing: in a folder; else null. */
export async function firstMissingPack(
  source: RemoteReader,
  options: TransferOptions = {},
): Promise<string | null> {
  if (!(source instanceof Remote) || source.transport.names === undefined) return null;
  const there = new Set(await source.transport.names('packs'));
  const files = await listedFiles(source, options);
  return files.find(({ name }) => !there.has(name))?.name ?? null;
}
