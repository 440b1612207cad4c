/** What a pack session is given. */
import type { LockWait } from '../repo/processes/lock.js';
import type { ObjectStore } from '../store/object-store.js';
import type { Sketches } from './sketches/sketches.js';

/** How a session reaches the disk; the repository gives these. */
export interface SessionHost {
  store: ObjectStore;
  /** A name under tmp/ for the files of the next set, another at every call. */
  tmpName(): string;
  /** Bytes of its largest file from which a set is full; default PACK_BYTES_TARGET. */
  fullBytes?: number;
  /** Runs `action` under the repository's lock; `requireFlag` adds what readers must know to its format. */
  locked<T>(
    action: (requireFlag: (flag: string) => Promise<void>) => Promise<T>,
    how: LockWait,
  ): Promise<T>;
  /** Longest chain of deltas that a writer makes. */
  chainDepth: number;
  /** Sketches of the listed sets; default: read for this session. */
  sketches?: Sketches;
  /** Stops decoders of bases. */
  signal?: AbortSignal;
}
