/**
 * The target of a salvage: counts the records that it stores, and skips those that are known to be
 * wrong.
 */
import { type BlobRecord, type RecordSink, recordKey, type SegmentRecord } from '../store/types.js';

export class SalvageSink implements RecordSink {
  /** Records taken. */
  records = 0;
  /** Records left out. */
  left = 0;
  readonly #sink: RecordSink;
  readonly #wrong: ReadonlySet<string>;

  /** @param wrong  keys of records to leave out. */
  constructor(sink: RecordSink, wrong: ReadonlySet<string> = new Set()) {
    this.#sink = sink;
    this.#wrong = wrong;
  }

  async addBlob(record: BlobRecord): Promise<void> {
    if (this.#leavesOut(recordKey(record))) return;
    await this.#sink.addBlob({ ...record, payload: new Uint8Array(record.payload) });
  }

  async addSegment(record: SegmentRecord): Promise<void> {
    if (this.#leavesOut(recordKey(record))) return;
    await this.#sink.addSegment(record);
  }

  #leavesOut(key: string): boolean {
    const isWrong = this.#wrong.has(key);
    if (isWrong) this.left++;
    else this.records++;
    return isWrong;
  }
}
