/** Checks pack sets and rebuilds what is derived from them. */
import type { Backend } from './backend.js';
import type { Problem, RecordSink, SetId, SetInfo } from './types.js';

/** What reading a set without its idx gave. */
export interface SetScan {
  /** Null if nothing readable is left. Its id differs from the asked one if records are damaged. */
  info: SetInfo | null;
  /** The rebuilt idx, byte for byte what the writer made if there are no problems. */
  index: Uint8Array | null;
  problems: Problem[];
}

/** Every problem of one set: sizes, headers, every checksum, unused bytes, idx against rebuilt idx. */
export declare function verifySet(backend: Backend, info: SetInfo): AsyncIterable<Problem>;

/** Reads `.blob` and `.hi` of a set and builds its idx from them. Writes nothing. */
export declare function scanSet(backend: Backend, id: SetId): Promise<SetScan>;

/** Writes the idx of a set anew if the rebuilt one has the set's own id; else returns the problems. */
export declare function rebuildIndex(backend: Backend, id: SetId): Promise<SetScan>;

/** Copies every undamaged record of a damaged set. */
export declare function salvageSet(
  backend: Backend,
  id: SetId,
  sink: RecordSink,
): Promise<Problem[]>;

/** The sets that lie in packs/, in an order in which the live delta graph is a forest. */
export declare function scanPacks(
  backend: Backend,
): Promise<{ sets: SetInfo[]; problems: Problem[] }>;
