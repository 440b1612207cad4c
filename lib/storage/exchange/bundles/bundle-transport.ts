/**
 * A bundle read as a remote: a zip archive whose entries, all stored, are the objects of one.
 *
 * The directory and every local header are compared when it is opened; what the entries hold is checked like what
 * any remote sends. @see docs/format/bundle.md
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { crc32 } from '../../../base/bytes/checksum.js';
import { type Id, sha256Hex } from '../../../base/bytes/hash.js';
import { payloadMemory, recyclePayload } from '../../../base/bytes/memory/memory.js';
import { isDamage, LimitError, RemoteError, UsageError } from '../../../base/errors.js';
import { ReadFile } from '../../../base/files/files.js';
import {
  BUNDLE_ENTRIES_MAX,
  BUNDLE_HEAD_BYTES_MAX,
  TRANSFER_PIECE_BYTES,
} from '../../../base/limits.js';
import { firstZipName, readZip, readZipEntry, ZIP_STORED } from '../../../pure/formats/zip/zip.js';
import type { ZipEntry } from '../../../pure/formats/zip/zip-directory.js';
import { readZipEnd } from '../../../pure/formats/zip/zip-end.js';
import type { LineOptions } from '../transports/http-client.js';
import { RateLimit } from '../transports/rate-limit.js';
import type { ByteRange, Loaded, TransferOptions, Transport } from '../transports/transport.js';
import {
  damagedBundle,
  decodeBundleHead,
  HEAD_NAME,
  isObjectName,
  STATE_NAMES,
} from './bundle-head.js';

export { damagedBundle } from './bundle-head.js';

/** A local header and the longest of names, so that the first one can be read. */
const FIRST_BYTES = 64;

/** True if a file begins as a bundle does. @throws {IoError} if it cannot be read. */
export async function isBundle(file: string): Promise<boolean> {
  const source = await ReadFile.open(file);
  try {
    return await beginsAsBundle(source);
  } finally {
    await source.close();
  }
}

async function beginsAsBundle(source: ReadFile): Promise<boolean> {
  const head = await source.read(0, Math.min(FIRST_BYTES, source.size));
  return firstZipName(head) === HEAD_NAME;
}

export class BundleTransport implements Transport {
  readonly shown: string;
  readonly traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
  readonly isWritable = false;
  readonly concurrency = 2;
  readonly needs: readonly Id[];
  readonly #source: ReadFile;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #rate: RateLimit;

  private constructor(
    source: ReadFile,
    found: { entries: ReadonlyMap<string, ZipEntry>; needs: readonly Id[] },
    rate: RateLimit,
  ) {
    this.#source = source;
    this.#entries = found.entries;
    this.#rate = rate;
    this.needs = found.needs;
    this.shown = source.name;
  }

  /** @throws {RemoteError} if a file is no bundle; {CorruptError} {FormatVersionError} {LimitError} */
  static async open(
    file: string,
    { rate, signal }: Pick<LineOptions, 'rate'> & TransferOptions = {},
  ): Promise<BundleTransport> {
    const source = await ReadFile.open(file);
    try {
      if (!(await beginsAsBundle(source))) {
        throw new RemoteError(`'${file}' is not a bundle of dlv`, {
          url: file,
          hint: "name a folder that holds a remote, or a file that 'dlv export' wrote",
        });
      }
      const found = await readEntries(source, signal);
      return new BundleTransport(source, found, rate ?? new RateLimit(Number.POSITIVE_INFINITY));
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  async load(name: string, maxBytes: number): Promise<Loaded | null> {
    this.traffic.requests++;
    const entry = this.#entries.get(name);
    if (entry === undefined) return null;
    if (entry.size > maxBytes) {
      throw new LimitError(
        `'${name}' in '${this.shown}' has ${entry.size} bytes, more than ${maxBytes}`,
        { file: this.shown, name, value: entry.size, max: maxBytes },
      );
    }
    const bytes = await this.#source.read(entry.dataOffset, entry.size);
    if (crc32(bytes) !== entry.crc) {
      throw damagedBundle(this.shown, `the checksum of '${name}' does not match its content`);
    }
    this.traffic.receivedBytes += bytes.length;
    return { bytes, tag: sha256Hex(bytes) };
  }

  async read(
    name: string,
    { start, end }: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    { signal, onBytes }: TransferOptions = {},
  ): Promise<void> {
    this.traffic.requests++;
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.size < end) {
      const what = entry === undefined ? 'is missing' : `has ${entry.size} bytes, not ${end}`;
      throw damagedBundle(this.shown, `'${name}' ${what}`, entry === undefined);
    }
    const step = Math.min(TRANSFER_PIECE_BYTES, this.#rate.pieceBytes);
    const room = payloadMemory(Math.max(0, Math.min(step, end - start)));
    try {
      for (let at = start; at < end; at += step) {
        throwIfAborted(signal);
        const bytes = room.subarray(0, end - at);
        await this.#source.readInto(bytes, entry.dataOffset + at);
        await this.#rate.pass(bytes.length, signal);
        this.traffic.receivedBytes += bytes.length;
        await take(bytes);
        onBytes?.(bytes.length);
      }
    } finally {
      recyclePayload(room);
    }
  }

  async store(): Promise<void> {
    throw takesNothing(this.shown);
  }
  async swap(): Promise<string | null> {
    throw takesNothing(this.shown);
  }
  close(): Promise<void> {
    return this.#source.close();
  }
}

/** That a bundle never changes. */
function takesNothing(shown: string): UsageError {
  return new UsageError(`cannot push to '${shown}': a bundle does not change`, {
    url: shown,
    hint: "'dlv export' writes a bundle, also in the place of this one",
  });
}

/** @throws {CorruptError} unless every entry is an object of a remote that can be read in place. */
async function readEntries(
  source: ReadFile,
  signal: AbortSignal | undefined,
): Promise<{ entries: ReadonlyMap<string, ZipEntry>; needs: readonly Id[] }> {
  const { name: file } = source;
  const archive = await archiveOf(source, signal);
  const entries = new Map<string, ZipEntry>();
  let head: ZipEntry | null = null;
  for (const entry of archive) {
    const { name, method } = entry;
    const isHead = name === HEAD_NAME;
    if (!isHead && !isObjectName(name)) {
      throw damagedBundle(file, `it has an entry ${JSON.stringify(name.slice(0, 100))}`);
    }
    if (method !== ZIP_STORED) throw damagedBundle(file, `its entry '${name}' is compressed`);
    if (entries.has(name) || (isHead && head !== null)) {
      throw damagedBundle(file, `it has two entries '${name}'`);
    }
    if (isHead) head = entry;
    else entries.set(name, entry);
  }
  if (head === null) throw damagedBundle(file, `it has no entry '${HEAD_NAME}'`);
  for (const name of STATE_NAMES) {
    if (!entries.has(name)) throw damagedBundle(file, `it has no entry '${name}'`);
  }
  const bytes = await sound(file, () => readZipEntry(source, head, BUNDLE_HEAD_BYTES_MAX));
  return { entries, needs: decodeBundleHead(bytes, file) };
}

/** The entries in the order of the file. */
async function archiveOf(source: ReadFile, signal: AbortSignal | undefined): Promise<ZipEntry[]> {
  const { name: file } = source;
  const { entryCount } = await sound(file, () => readZipEnd(source));
  if (entryCount > BUNDLE_ENTRIES_MAX) {
    throw new LimitError(`'${file}' has ${entryCount} entries, more than ${BUNDLE_ENTRIES_MAX}`, {
      ...{ file, limit: 'BUNDLE_ENTRIES_MAX', value: entryCount, max: BUNDLE_ENTRIES_MAX },
    });
  }
  const { entries, start } = await sound(file, () => readZip(source, { signal }));
  if (start !== 0) throw damagedBundle(file, `the archive begins at byte ${start}`);
  return entries;
}

/** Runs an action whose damage is that of the bundle. */
async function sound<T>(file: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw damagedBundle(file, (error as Error).message.replace(`'${file}': `, ''));
  }
}
