/**
 * Brings objects of a remote here, with as many planes as are wanted: what is here is not fetched again, and of
 * what is not wanted nothing is.
 *
 * Start at `downloadPartly`. Heads and leading planes arrive first: they say which planes of which bases the
 * wanted ones need.
 */

import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { Pace } from '../../../base/bytes/pace.js';
import { TRANSFER_GAP_BYTES } from '../../../base/limits.js';
import { basePlanesOf, stopOf, wantsHead } from '../../objects/planes/chain-link.js';
import { openSegmentOf } from '../../objects/records.js';
import type { SupplyWants } from '../../objects/stored/bring.js';
import { planesHere } from '../../store/promised.js';
import { type SegmentEntry, segmentKey } from '../../store/types.js';
import type { FetchParts } from '../fetching/parts.js';
import { joinRanges } from '../ranges.js';
import { readingRemote } from '../remote/remote-damage.js';
import type { TransferOptions } from '../transports/transport.js';
import { copyArrived, type PartlyDownloaded } from './copy-arrived.js';
import { type FileRanges, TakenRecords } from './taken-records.js';

export interface PartialOptions extends TransferOptions {
  /** Is told of the bytes that will arrive, once they are known. */
  onPlan?(bytes: number): void;
  /** Only finds out how many bytes would come: heads and leading planes arrive all the same. */
  isDryRun?: boolean;
  /** Takes the place of what is here: it is damaged. */
  replaces?: boolean;
}

/** Files of which parts arrive at once. */
const FILES_AT_ONCE = 4;
/** Parts of a file that stand so close arrive as one: less than what low planes in between would cost. */
const GAP_BYTES = TRANSFER_GAP_BYTES / 16;

/** @throws {CorruptError} if the remote lacks something; {RemoteError} */
export async function downloadPartly(
  parts: FetchParts,
  wants: SupplyWants,
  options: PartialOptions = {},
): Promise<PartlyDownloaded> {
  const download = new PartialDownload(parts, options);
  return download.run(wants);
}

class PartialDownload {
  readonly #parts: FetchParts;
  readonly #options: PartialOptions;
  readonly #pace: Pace;
  readonly #taken: TakenRecords;

  constructor(parts: FetchParts, options: PartialOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#pace = new Pace(options.signal);
    this.#taken = new TakenRecords(parts, options.replaces ?? false, this.#pace);
  }

  async run({ blobs, extents }: SupplyWants): Promise<PartlyDownloaded> {
    for (const id of blobs) await this.#taken.takeBlob(id);
    for (const [id, { segments }] of extents) {
      for (let segment = 0; segment < segments; segment++) {
        if (this.#options.replaces || (await this.#here(id, segment)) === null) {
          await this.#taken.take(id, segment);
        }
      }
    }
    for (let open = [...wantsOf(extents)]; open.length > 0; ) {
      await this.#arriveHeads();
      const short: Want[] = [];
      for (const want of open) pushAll(short, await this.#spread(want));
      for (const { id, segment } of short) await this.#taken.take(id, segment);
      open = short;
    }
    await this.#arriveHeads();
    this.#options.onPlan?.(this.#taken.bytes());
    if (this.#options.isDryRun)
      return { sealed: [], thin: new Map(), blobs: new Map(), extents: new Map() };
    // Leading planes are here by now, and count as such.
    await this.#arrive(this.#taken.planeRanges(), this.#options.onBytes);
    return copyArrived(this.#parts, this.#taken, this.#pace);
  }

  #here(id: Id, segment: number): Promise<SegmentEntry | null> {
    return this.#parts.repo.store.here.findSegment(id, segment);
  }

  /** Sees to it that the heads and leading planes of what was taken are here. */
  async #arriveHeads(): Promise<void> {
    const { remote, shown } = this.#parts;
    const fresh = this.#taken.takeFresh();
    await this.#arrive(this.#taken.headRanges(fresh));
    for (const taken of fresh) {
      const { entry, twin } = taken;
      taken.head =
        twin === null
          ? await readingRemote(shown, () => openSegmentOf(remote.backend, entry))
          : await this.#parts.repo.store.here.openSegment(entry.id, entry.segment);
    }
  }

  /** Follows what wanted planes need down a chain. @returns records here that have too few of them. */
  async #spread(want: Want): Promise<Want[]> {
    const { store } = this.#parts.repo;
    let { id, segment, planes } = want;
    for (;;) {
      await this.#pace.step();
      const taken = this.#taken.segments.get(segmentKey(id, segment));
      const entry = taken?.entry ?? (await this.#here(id, segment));
      if (entry === null) {
        await this.#taken.take(id, segment);
        return [{ id, segment, planes }];
      }
      const wanted = Math.min(planes, entry.width);
      if (taken === undefined) {
        const absent = store.promised?.absent(entry.set) ?? [];
        if (planesHere(entry, absent) < wanted) return [{ id, segment, planes }];
      }
      if (taken !== undefined && taken.head === null) return [{ id, segment, planes }];
      // As readers do: they look at heads only where that is worth it.
      const looks = wantsHead(entry, wanted);
      const head = looks ? (taken?.head ?? (await store.here.openSegment(id, segment))) : null;
      const stop = stopOf(entry, head, wanted);
      if (taken !== undefined) {
        if (taken.planes >= stop) return [];
        taken.planes = stop;
      } else if (planesHere(entry, store.promised?.absent(entry.set) ?? []) < stop) {
        return [{ id, segment, planes }];
      }
      if (entry.base === null) return [];
      planes = basePlanesOf(entry, head, stop);
      id = entry.base;
    }
  }

  async #arrive(files: Iterable<FileRanges>, onHere?: (bytes: number) => void): Promise<void> {
    await forEachLimit([...files], FILES_AT_ONCE, ({ file, ranges }) =>
      this.#parts.incoming.need(file, joinRanges(ranges, GAP_BYTES), onHere),
    );
  }
}

/** Leading planes that are wanted of a segment. */
interface Want {
  id: Id;
  segment: number;
  planes: number;
}

function* wantsOf(extents: SupplyWants['extents']): Generator<Want> {
  for (const [id, { planes, segments }] of extents) {
    for (let segment = 0; segment < segments; segment++) yield { id, segment, planes };
  }
}
