/** What the builds of the kernel can do: the contract of addon and WebAssembly. @see native/kernel.h */

/** Head and class payloads of one encoded segment (docs/format/codec.md, codec 2). */
export interface KernelSegment {
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
  usesBase: boolean;
}

/**
 * What every build of the kernel can do. Buffers given are read, never kept; do not change them
 * meanwhile. If they are changed, detached or resized all the same, the promise is rejected or gives
 * other values; nothing outside of them is read or written. Arguments of a wrong type or size are
 * refused with an Error whose `kernel` is ERROR_ARGUMENT.
 */
export interface Kernel {
  /**
   * Encodes planes of up to 4 Mi elements, against base planes or alone.
   * @param level  0 fast, 1 default, 2 max.
   * @param abort  of `abortFlag`: once it is set, the promise is rejected soon.
   * @param room   as long as the planes and apart from them: memory that payloads are put into where
   *   they fit. The addon uses it if it is of `allocate`.
   * @param shares  a plane of `allocate` that is stored as it is, and is all of its class, may be the payload
   *   itself: the array that was given.
   */
  encode(
    planes: readonly Uint8Array[],
    base: readonly Uint8Array[] | null,
    level: number,
    noPrefix: boolean,
    abort?: Int32Array,
    room?: Uint8Array,
    shares?: boolean,
  ): Promise<KernelSegment>;
  /**
   * Decodes the leading `wanted` planes, which must be a stop of the head. Rejects with a KernelError.
   * @param out  `wanted` planes of `count` bytes to decode into, which are returned in a new array;
   *   apart from each other and from what is read. Default: fresh memory.
   * @param abort  of `abortFlag`: a segment that was not begun when it is set is not decoded.
   */
  decode(
    head: Uint8Array,
    classes: readonly [hi: Uint8Array, mid: Uint8Array, low: Uint8Array],
    base: readonly Uint8Array[] | null,
    count: number,
    width: number,
    wanted: number,
    out?: readonly Uint8Array[],
    abort?: Int32Array,
  ): Promise<Uint8Array[]>;
}

/** What the compiled builds do besides, at once. Buffers given are read, never kept. */
export interface KernelServices {
  /** bytes/chunker.ts: length of the first content-defined chunk of `bytes`. */
  cutChunk(bytes: Uint8Array): number;
  /** codec/sketch.ts: sums of bit lengths of differences, one for each row of `stride` bytes. */
  sketchDistances(sketch: Uint8Array, width: number, rows: Uint8Array, stride: number): Uint32Array;
  /**
   * Adds pairs of elements to the numbers of codec/drift.ts.
   * @param a      leading planes of the elements of one side, `b` of as many of the other.
   * @param aKind  what its elements are, as native/drift.h counts them.
   * @param state  bytes of DRIFT_FIELDS doubles, changed.
   */
  drift(
    a: readonly Uint8Array[],
    aKind: number,
    b: readonly Uint8Array[],
    bKind: number,
    state: Uint8Array,
  ): void;
  /** The same for one tensor. @param bins  bytes of WEIGH_BINS 32-bit counts, changed. */
  weigh(planes: readonly Uint8Array[], kind: number, state: Uint8Array, bins: Uint8Array): void;
}

/** The faster paths that only the addon has. */
export interface NativeKernel extends Kernel, KernelServices {
  interfaceVersion: number;
  /** Bytes that no LZ4 block of `bytes` is shorter than, whoever compresses them; 0 for more than 16 KiB. */
  lz4BytesMin(bytes: Uint8Array): number;
  /** Splits into planes of the caller, each bytes.length / planes.length long. */
  splitInto(bytes: Uint8Array, planes: readonly Uint8Array[]): void;
  merge(planes: readonly Uint8Array[], target: Uint8Array): void;
  /**
   * sha256 of the prefix (up to 63 bytes) followed by each part, 32 bytes each, on the pool.
   * @param parts  1 … 8 of equal length; not to be changed before the promise is settled.
   */
  sha256Many(prefix: Uint8Array, parts: readonly Uint8Array[]): Promise<Uint8Array>;
  /**
   * A running sha256 at its start, to be given to the calls below and changed by nothing else; null where
   * the processor has no instructions for it.
   */
  sha256State(): Uint8Array | null;
  sha256Update(state: Uint8Array, bytes: Uint8Array): void;
  /** The digest of the bytes so far; more can be added afterwards. */
  sha256Digest(state: Uint8Array): Uint8Array;
  /**
   * Merges planes, adds the bytes to a running sha256 and appends up to `most` of them to a file, on the pool.
   * @returns how many were written: fewer after an error, which the next write will meet. −1 if nothing
   *   was done at all, because some memory is not of `allocate`.
   */
  writePlanes(
    fd: number,
    planes: readonly Uint8Array[],
    bigEndian: boolean,
    state: Uint8Array,
    most: number,
  ): Promise<number>;
  /**
   * Reads elements from a file, adds them to a running sha256 and splits them into planes of up to 2^20
   * bytes, on the pool.
   * @param prefix  of `digests`: the sha256 of the prefix followed by each plane, which hold if all was read.
   * @returns how many bytes that was done with: whole elements, fewer after an error or at the end of the
   *   file; none if some memory is not of `allocate`.
   */
  readPlanes(
    fd: number,
    offset: number,
    planes: readonly Uint8Array[],
    bigEndian: boolean,
    state: Uint8Array,
    prefix: Uint8Array,
  ): Promise<{ bytes: number; digests: Uint8Array }>;
  /**
   * Decodes the leading `wanted` planes of a segment from open files, through all links of a plan
   * (pure/codec/chain-plan.ts), checksums compared. Rejects on whatever keeps it from that.
   * @param base  planes under the first link, or null.
   */
  decodeChain(
    plan: Uint8Array,
    base: readonly Uint8Array[] | null,
    count: number,
    wanted: number,
    out?: readonly Uint8Array[],
    abort?: Int32Array,
  ): Promise<Uint8Array[]>;
  /**
   * Samples of links of the same plan, without a base under the first: `pieces` runs of `length` elements, each
   * `step` behind the one before. Whatever was read whole is compared with its checksum, all else is not.
   * @param planes  that each sampled link gives.
   * @param links   a bit for each link that is sampled, the last one of the plan among them.
   * @returns one array: of each sampled link all pieces of its first plane, then of the next.
   */
  sampleChain(
    plan: Uint8Array,
    count: number,
    planes: number,
    links: number,
    length: number,
    step: number,
    pieces: number,
    abort?: Int32Array,
  ): Promise<[Uint8Array]>;
  /**
   * Decodes a segment and compares it with the planes it was made of; rejects with ERROR_DIFFERS.
   * @returns CRC-32 of hi, mid and low.
   */
  verify(
    head: Uint8Array,
    classes: readonly [hi: Uint8Array, mid: Uint8Array, low: Uint8Array],
    base: readonly Uint8Array[] | null,
    planes: readonly Uint8Array[],
    abort?: Int32Array,
  ): Promise<Uint32Array>;
  /**
   * Reads records from open files, decodes them over each other and compares them with their CRCs and with the
   * hashes of their runs, in the order of a plan (pure/codec/check-plan.ts).
   * @param slots  1 … 16, of `allocate`: planes of records, for those that are decoded over them.
   * @returns how many were right before the first that was not.
   */
  checkRecords(plan: Uint8Array, slots: readonly Uint8Array[], abort?: Int32Array): Promise<number>;
  /** See LoadedKernel. */
  allocate(bytes: number): Uint8Array;
  /** V8 counts so many bytes of `allocate` no longer when it decides whether to collect: they stay until the process ends. */
  keep(bytes: number): void;
  /** Carries out a program of compute.ts, at once; arena and program are lists of 32-bit words. */
  compute(arena: Uint8Array, program: Uint8Array, threads: number): void;
  isa(): string;
  forcePortable(on: boolean): void;
  /** See guard.ts; absent in an addon that was built before there was one. */
  guardSignals?(seconds: number): void;
  signalHeard?(): boolean;
}
