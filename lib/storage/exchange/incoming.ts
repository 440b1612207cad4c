/**
 * Files of pack sets that are arriving: written in place, with a list of the parts that are here.
 *
 * A killed process leaves its folder under .dlv/incoming; the next fetch takes it over and asks only
 * for what is missing. What stands here is not trusted: see fetching/arrival.ts. @see docs/format/remote.md
 */
import path from 'node:path';
import { forEachLimit } from '../../base/bytes/for-each-limit.js';
import { eachLine } from '../../base/bytes/lines.js';
import { isDamage } from '../../base/errors.js';
import { appendLines } from '../../base/files/append-lines.js';
import {
  io,
  isMissing,
  listDirectory,
  makeDirectory,
  ReadFile,
  readSmallFile,
  removeFile,
  renameFile,
  statOrNull,
} from '../../base/files/files.js';
import { PatchFile } from '../../base/files/patch-file.js';
import { parseOwnName } from '../../base/files/process.js';
import { STATE_FILE_BYTES_MAX, TRANSFER_PIECE_BYTES } from '../../base/limits.js';
import type { Layout } from '../repo/layout.js';
import { incomingName, isIncomingName } from '../repo/processes/made-names.js';
import { isAbandoned, ownerState } from '../repo/processes/process-identity.js';
import { cutRanges, RangeSet, rangeBytes } from './ranges.js';
import type { RemoteReader } from './remote/remote.js';
import type { ByteRange, TransferOptions } from './transports/transport.js';

/** Bytes after which it is noted how far a file has arrived. */
const NOTED_BYTES = TRANSFER_PIECE_BYTES;
/** Where a file arrives in several requests, each is for so many bytes. */
const REQUEST_BYTES = 8 * TRANSFER_PIECE_BYTES;

interface Arriving {
  file: PatchFile;
  have: RangeSet;
  /** What an earlier run brought and nobody has asked for yet. */
  earlier: RangeSet;
  /** Opened for reading once something is read of it. */
  reader: Promise<ReadFile> | null;
  /** Turn of those that write its list. */
  turn: Promise<unknown>;
  /** Turn of those that ask for parts: what one has fetched, the next finds here. */
  asking: Promise<unknown>;
}

/** A file of a pack set at a remote: `packs/<id>.<class>` and its size. */
export interface RemoteFile {
  readonly name: string;
  readonly size: number;
}

export class Incoming {
  readonly #layout: Layout;
  readonly #source: RemoteReader;
  readonly #options: TransferOptions;
  readonly #files = new Map<string, Promise<Arriving>>();
  /** Bytes that were wanted and that an earlier run had brought; each counts once. */
  resumedBytes = 0;

  private constructor(layout: Layout, source: RemoteReader, options: TransferOptions) {
    this.#layout = layout;
    this.#source = source;
    this.#options = options;
  }

  /** Takes over what processes that are gone have left. */
  static async open(
    layout: Layout,
    source: RemoteReader,
    options: TransferOptions = {},
  ): Promise<Incoming> {
    await makeDirectory(layout.ownIncoming);
    for (const folder of await listDirectory(layout.incoming)) {
      if (layout.incomingOf(folder) !== layout.ownIncoming) await takeOver(layout, folder);
    }
    return new Incoming(layout, source, options);
  }

  /**
   * Sees to it that parts of a file are here.
   * @param onHere  called with the bytes of them that were here already.
   */
  async need(
    file: RemoteFile,
    ranges: readonly ByteRange[],
    onHere?: (bytes: number) => void,
  ): Promise<void> {
    const arriving = await this.#arriving(file);
    const run = arriving.asking.then(() => this.#ask(file, arriving, ranges, onHere));
    arriving.asking = run.catch(() => {});
    return run;
  }

  async #ask(
    file: RemoteFile,
    arriving: Arriving,
    ranges: readonly ByteRange[],
    onHere: ((bytes: number) => void) | undefined,
  ): Promise<void> {
    const missing = ranges.flatMap((range) => arriving.have.missing(range));
    const here = rangeBytes(ranges) - rangeBytes(missing);
    if (here > 0) onHere?.(here);
    for (const range of ranges) this.resumedBytes += arriving.earlier.take(range);
    const pieces = cutRanges(missing, REQUEST_BYTES);
    // One after another while an answer may hold the whole file, and with it the pieces that follow.
    while (pieces.length > 0 && (this.#source.sendsWhole ?? true)) {
      const piece = pieces.shift() as ByteRange;
      for (const range of arriving.have.missing(piece)) await this.#fetch(file, arriving, range);
    }
    await forEachLimit(pieces, this.#source.concurrency, (range) =>
      this.#fetch(file, arriving, range),
    );
  }

  async #fetch({ name, size }: RemoteFile, arriving: Arriving, range: ByteRange): Promise<void> {
    let [at, noted] = [range.start, range.start];
    const note = async (): Promise<void> => {
      if (at === noted) return;
      const part = { start: noted, end: at };
      noted = at;
      await this.#note(name, arriving, part);
    };
    const write = async (bytes: Uint8Array, place: number): Promise<void> => {
      if (place !== at) {
        await note();
        [at, noted] = [place, place];
      }
      await arriving.file.write(bytes, place);
      at += bytes.length;
      if (at - noted >= NOTED_BYTES) await note();
    };
    const onBeside = async (bytes: Uint8Array, place: number): Promise<void> => {
      const there = { start: place, end: Math.min(size, place + bytes.length) };
      for (const { start, end } of arriving.have.missing(there)) {
        await write(bytes.subarray(start - place, end - place), start);
      }
    };
    let next = range.start;
    const take = async (bytes: Uint8Array): Promise<void> => {
      await write(bytes, next);
      next += bytes.length;
    };
    try {
      await this.#source.read(name, range, take, { ...this.#options, onBeside });
    } finally {
      await note();
    }
  }

  /** Adds a part to the list of a file, which is read by a run after this one. */
  #note(name: string, arriving: Arriving, part: ByteRange): Promise<void> {
    arriving.have.add(part);
    const run = arriving.turn.then(async () => {
      await appendLines(`${this.#pathOf(name)}.have`, `${part.start} ${part.end}\n`);
    });
    arriving.turn = run.catch(() => {});
    return run;
  }

  /** Bytes of a file that are here. */
  async read(file: RemoteFile, offset: number, length: number): Promise<Uint8Array> {
    const arriving = await this.#arriving(file);
    arriving.reader ??= ReadFile.open(this.#pathOf(file.name));
    let reader = await arriving.reader;
    if (reader.size < offset + length) {
      // It has grown since it was opened.
      await reader.close();
      arriving.reader = ReadFile.open(this.#pathOf(file.name));
      reader = await arriving.reader;
    }
    return reader.read(offset, length);
  }

  /** True if parts of a file were asked for. */
  has(file: RemoteFile): boolean {
    return this.#files.has(file.name);
  }

  /** True if the whole file is here. */
  async isWhole(file: RemoteFile): Promise<boolean> {
    const { have } = await this.#arriving(file);
    return have.has({ start: 0, end: file.size });
  }

  /** Puts what has arrived of a file on the disk. */
  async sync(file: RemoteFile): Promise<void> {
    const { file: written } = await this.#arriving(file);
    await written.sync();
  }

  /** Name of a file relative to .dlv. */
  nameOf({ name }: RemoteFile): string {
    return incomingName(path.basename(name));
  }

  #pathOf(name: string): string {
    return this.#layout.ownIncomingFile(path.basename(name));
  }

  #arriving(file: RemoteFile): Promise<Arriving> {
    let found = this.#files.get(file.name);
    if (found === undefined) {
      found = this.#open(file);
      this.#files.set(file.name, found);
    }
    return found;
  }

  async #open({ name, size }: RemoteFile): Promise<Arriving> {
    const target = this.#pathOf(name);
    const there = await statOrNull(target);
    const have = there === null ? new RangeSet() : await readHave(target, size, there.stat.size);
    const earlier = new RangeSet(have.list);
    const file = await PatchFile.open(target);
    return {
      file,
      have,
      earlier,
      reader: null,
      turn: Promise.resolve(),
      asking: Promise.resolve(),
    };
  }

  /** Closes everything; what has arrived stays for the next run. */
  async close(): Promise<void> {
    const files = await Promise.all(this.#files.values());
    this.#files.clear();
    for (const { file, reader } of files) {
      await (await reader)?.close();
      await file.close();
    }
  }

  /** Closes, and removes what was not taken away. */
  async remove(): Promise<void> {
    await this.close();
    await removeOwnIncoming(this.#layout);
  }
}

/** Removes what this process has fetched and not taken away. */
export function removeOwnIncoming(layout: Layout): Promise<void> {
  return removeFolder(layout, path.basename(layout.ownIncoming));
}

/** The parts of a file that its list says are here, as far as the file has them. */
async function readHave(target: string, size: number, present: number): Promise<RangeSet> {
  const have = new RangeSet();
  const bytes = await readSmallFile(`${target}.have`, STATE_FILE_BYTES_MAX).catch(
    (error: unknown) => {
      if (isMissing(error) || isDamage(error)) return new Uint8Array(0);
      throw error;
    },
  );
  for (const line of eachLine(bytes)) {
    const [, start, end] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
    const range = { start: Number(start), end: Number(end) };
    if (range.start < range.end && range.end <= Math.min(size, present)) have.add(range);
  }
  return have;
}

/** Moves what a process that is gone was fetching to this one. */
async function takeOver(layout: Layout, folder: string): Promise<void> {
  const owner = parseOwnName(folder);
  const place = layout.incomingOf(folder);
  const there = await statOrNull(place);
  if (owner === null || there === null || !there.isDirectory) return;
  const { mtimeNs } = there.stat;
  const state = await ownerState(owner, { file: place, mtimeNs });
  if (state !== 'dead' && !(state === 'unknown' && isAbandoned(mtimeNs))) return;
  for (const name of await listDirectory(place)) {
    if (!isIncomingName(name)) continue;
    const target = layout.ownIncomingFile(name);
    if ((await statOrNull(target)) !== null) continue;
    await renameFile(path.join(place, name), target).catch((error: unknown) => {
      // Another process may take it over at the same time.
      if (!isMissing(error)) throw error;
    });
  }
  await removeFolder(layout, folder);
}

async function removeFolder(layout: Layout, folder: string): Promise<void> {
  const place = layout.incomingOf(folder);
  for (const name of await listDirectory(place)) {
    if (isIncomingName(name)) await removeFile(path.join(place, name));
  }
  for (const dir of [place, layout.incoming]) {
    // Of another process, or not empty: it stays.
    await io.rmdir(dir).catch(() => {});
  }
}
