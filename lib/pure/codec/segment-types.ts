/** What every segment coder takes and gives, and which pack class a plane belongs to. */

/** Payload bytes by plane class: hi = planes of the first stop ≥ min(2, w), mid = the next, low = the rest. */
export interface EncodedSegment {
  /** Codec head; its first byte is the codec id. */
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
  usesBase: boolean;
}

/** Encoder effort: fast, default, max. */
export type CodecLevel = 0 | 1 | 2;

/** How a segment is encoded. */
export interface EncodeOptions {
  /** Default: 1. */
  level?: CodecLevel | undefined;
  /** Allows deltas that are exact only when all planes are read: smaller ones. Default: false. */
  noPrefix?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /**
   * Memory as long as the planes, for payloads, which are views of it where they fit. Of use where it is
   * used again: fresh memory for each segment costs a share of the time that encoding takes.
   */
  room?: Uint8Array | undefined;
  /**
   * A plane that is stored as it is, and is all of its class, may be the payload itself: the array that was given.
   * So it must not be changed before the payload is written. Default: false.
   */
  sharesPlanes?: boolean | undefined;
}

/** What decoding reads: the codec head and the class payloads that hold the wanted planes. */
export interface SegmentPayload {
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
}

/** What a segment is decoded with. */
export interface DecodeOptions {
  /** Bytes per element. */
  width: number;
  /** Elements of this segment. */
  count: number;
  /** Planes to decode: a stop of the head, 1 … width. */
  wanted: number;
  /** Planes of the base segment, as many as `segmentBasePlanes` says or more, if the head needs one. */
  base: readonly Uint8Array[] | null;
  /** Name for messages. */
  file: string;
  /** Once it is aborted, what was not begun is not decoded. */
  signal?: AbortSignal | undefined;
}
