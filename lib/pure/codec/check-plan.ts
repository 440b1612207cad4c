/**
 * Records of a forest of deltas, checked many at once: read, compared with their CRCs, decoded over each other,
 * and compared with the hashes that their ids are made of (native/addon/check.c). Planes of a record stay in a
 * slot until another one takes it, so that each record is decoded once.
 *
 *     plan   := records:u32 slots:u32 (width:u8 elements:u32){slots} record{records}     little endian
 *     record := width:u8 slot:u8 baseSlot:u8 hasId:u8 elements:u32 firstRun:u32 runs:u32 count:u64
 *               headBytes:u32 (fd:i32 crc:u32 offset:u64 bytes:u64){hi, mid, low} head hashes [id:32]
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { type Id, sha256Each } from '../../base/bytes/hash.js';
import { kernelMemory } from '../../base/bytes/memory/memory.js';
import { AbortedError, isUnreadable } from '../../base/errors.js';
import { RUN_ELEMENTS } from '../../base/limits.js';
import { ERROR_ABORTED, ERROR_ARGUMENT } from '../../base/native/failure.js';
import { abortFlag, loadKernel } from '../../base/native/kernel.js';
import type { NativeKernel } from '../../base/native/kernel-types.js';
import { idOfHashes, RUN_DOMAIN, runCount } from '../tensor/extent-id.js';
import type { FilePayload } from './chain-plan.js';
import { decodeSegment } from './segment.js';

/** Slots of one plan at most. */
export const CHECK_SLOTS_MAX = 16;
const NO_SLOT = 255;
const FIXED_BYTES = 4 + 4 + 4 + 4 + 8 + 4 + 3 * (4 + 4 + 8 + 8);

/** A record and what it has to give. */
export interface CheckedRecord {
  readonly id: Id;
  readonly width: number;
  /** Elements of the whole extent, and of this segment. */
  readonly count: number;
  readonly elements: number;
  /** Where the segment begins, in runs. */
  readonly firstRun: number;
  /** Run hashes of the whole extent, plane by plane. */
  readonly hashes: Uint8Array;
  /** True if it is still to be checked that the hashes give the id. */
  readonly checksId: boolean;
  /** Where its planes go, and where those of its base are: other slots, below CHECK_SLOTS_MAX. */
  readonly slot: number;
  readonly baseSlot: number | null;
  /** Head of the codec. */
  readonly head: Uint8Array;
  /** hi, mid, low; null for empty ones. */
  readonly classes: readonly [FilePayload | null, FilePayload | null, FilePayload | null];
}

/** Payloads of a record that were read and agree with their checksums. */
export interface ReadPayloads {
  readonly hi: Uint8Array;
  readonly mid: Uint8Array;
  readonly low: Uint8Array;
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined;
  /** A kernel that reads files; null: records are checked one by one. Default: that of this process. */
  readonly native?: NativeKernel | null;
  /** Reads the payloads of a record, for a kernel that reads no files. @throws {CorruptError} */
  read(record: CheckedRecord): Promise<ReadPayloads>;
}

/** What a slot holds. */
interface Slot {
  /** Memory for a kernel that reads files. */
  room: Uint8Array | null;
  width: number;
  elements: number;
  planes: readonly Uint8Array[] | null;
}

const EMPTY: Readonly<Slot> = { room: null, width: 0, elements: 0, planes: null };
/** Shorter memory is not of the kernel. */
const ROOM_BYTES_MIN = 64 * 1024;

/** Slots of one check after the other; of one check at a time. */
export class RecordChecker {
  readonly #options: CheckOptions;
  readonly #slots: Slot[] = [];

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /**
   * Checks records in their order, bases before what is decoded over them. Slots hold what the last record left
   * there, also from earlier calls.
   * @returns how many were right before the first that is not, or that cannot be checked here: whoever needs to
   *   know what is wrong reads that one by itself. Its slot holds nothing then.
   * @throws {AbortedError}
   */
  async check(records: readonly CheckedRecord[]): Promise<number> {
    const { signal, native = loadKernel().native } = this.#options;
    throwIfAborted(signal);
    const done =
      native === null ? await this.#checkEach(records) : await this.#ask(native, records);
    for (const [i, { slot, width, elements }] of records.slice(0, done + 1).entries()) {
      const held = this.#slots[slot] as Slot;
      const isRight = i < done;
      held.width = isRight ? width : 0;
      held.elements = isRight ? elements : 0;
    }
    return done;
  }

  async #ask(native: NativeKernel, records: readonly CheckedRecord[]): Promise<number> {
    for (const { slot, width, elements } of records) this.#makeRoom(slot, width * elements);
    const slots = Array.from(this.#slots, (slot) => slot ?? EMPTY);
    const rooms = slots.map(({ room }) => room ?? kernelMemory(ROOM_BYTES_MIN));
    const { signal } = this.#options;
    try {
      const abort = signal && abortFlag(signal);
      return await native.checkRecords(encodeCheckPlan(records, slots), rooms, abort);
    } catch (error) {
      const { kernel } = error as { kernel?: unknown };
      if (kernel === ERROR_ABORTED) throw new AbortedError();
      // Sizes that no kernel takes, or memory that it cannot hold on to.
      if (kernel === ERROR_ARGUMENT) return 0;
      throw error;
    }
  }

  #makeRoom(slot: number, bytes: number): void {
    const held = this.#slots[slot] ?? { ...EMPTY };
    this.#slots[slot] = held;
    if (held.room !== null && held.room.length >= bytes) return;
    const room = kernelMemory(Math.max(bytes, ROOM_BYTES_MIN));
    // What it holds is not needed any more, or it is the base of what comes first.
    if (held.room !== null && held.width > 0) room.set(held.room);
    held.room = room;
  }

  /** The same by a kernel without files and threads. */
  async #checkEach(records: readonly CheckedRecord[]): Promise<number> {
    for (const [i, record] of records.entries()) {
      throwIfAborted(this.#options.signal);
      const held = this.#slots[record.slot] ?? { ...EMPTY };
      this.#slots[record.slot] = held;
      const base = record.baseSlot === null ? null : (this.#slots[record.baseSlot]?.planes ?? null);
      held.planes = null;
      if (record.baseSlot !== null && base === null) return i;
      try {
        held.planes = await decodeChecked(record, base, this.#options);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
      }
      if (held.planes === null) return i;
    }
    return records.length;
  }
}

export function encodeCheckPlan(
  records: readonly CheckedRecord[],
  slots: readonly { readonly width: number; readonly elements: number }[],
): Uint8Array {
  const lengths = records.map(
    ({ head, hashes, checksId }) => FIXED_BYTES + head.length + hashes.length + (checksId ? 32 : 0),
  );
  const bytes = 8 + 5 * slots.length + lengths.reduce((sum, length) => sum + length, 0);
  const plan = Buffer.allocUnsafe(bytes);
  let at = plan.writeUInt32LE(records.length, 0);
  at = plan.writeUInt32LE(slots.length, at);
  for (const { width, elements } of slots) {
    at = plan.writeUInt8(width, at);
    at = plan.writeUInt32LE(elements, at);
  }
  for (const record of records) at = writeRecord(plan, at, record);
  return plan;
}

function writeRecord(plan: Buffer, start: number, record: CheckedRecord): number {
  const { id, width, count, elements, firstRun, hashes, checksId, slot, baseSlot, head } = record;
  plan[start] = width;
  plan[start + 1] = slot;
  plan[start + 2] = baseSlot ?? NO_SLOT;
  plan[start + 3] = checksId ? 1 : 0;
  let at = plan.writeUInt32LE(elements, start + 4);
  at = plan.writeUInt32LE(firstRun, at);
  at = plan.writeUInt32LE(runCount(count), at);
  at = writeNumber(plan, at, count);
  at = plan.writeUInt32LE(head.length, at);
  for (const payload of record.classes) {
    at = plan.writeInt32LE(payload?.fd ?? -1, at);
    at = plan.writeUInt32LE(payload?.crc ?? 0, at);
    at = writeNumber(plan, at, payload?.offset ?? 0);
    at = writeNumber(plan, at, payload?.bytes ?? 0);
  }
  plan.set(head, at);
  at += head.length;
  plan.set(hashes, at);
  at += hashes.length;
  return checksId ? at + plan.write(id, at, 'hex') : at;
}

/** A u64 below 2^53. */
function writeNumber(plan: Buffer, at: number, value: number): number {
  plan.writeUInt32LE(value % 2 ** 32, at);
  return plan.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/** @returns null if the planes are not those of its hashes. @throws {CorruptError} {FormatVersionError} */
async function decodeChecked(
  record: CheckedRecord,
  base: readonly Uint8Array[] | null,
  { read, signal }: CheckOptions,
): Promise<Uint8Array[] | null> {
  const { id, width, count, elements, hashes, firstRun, head } = record;
  const perPlane = 32 * runCount(count);
  const known = Array.from({ length: width }, (_, k) =>
    hashes.subarray(k * perPlane, (k + 1) * perPlane),
  );
  if (record.checksId && idOfHashes(width, count, known) !== id) return null;
  const { hi, mid, low } = await read(record);
  const options = { width, count: elements, wanted: width, base, file: `extent ${id}`, signal };
  const planes = await decodeSegment({ head, hi, mid, low }, options);
  for (let run = 0; run * RUN_ELEMENTS < elements; run++) {
    const from = run * RUN_ELEMENTS;
    const parts = planes.map((plane) => plane.subarray(from, from + RUN_ELEMENTS));
    const found = await sha256Each(RUN_DOMAIN, parts);
    for (let k = 0; k < width; k++) {
      const at = 32 * (firstRun + run);
      const expected = (known[k] as Uint8Array).subarray(at, at + 32);
      if (Buffer.compare(found.subarray(32 * k, 32 * (k + 1)), expected) !== 0) return null;
    }
  }
  return planes;
}
