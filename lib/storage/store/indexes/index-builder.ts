/**
 * Collects rows and sorts them into a pack index.
 *
 * Writer, rebuild and verifier all build an idx here, which is why a rebuilt one is byte-identical.
 */
import { type Id, sha256Hex } from '../../../base/bytes/hash.js';
import { assert, LimitError } from '../../../base/errors.js';
import { SET_RECORDS_MAX } from '../../../base/limits.js';
import { type BlobEntry, type SegmentEntry, type SetId, segmentKey } from '../types.js';
import { encodeIndexHead, INDEX_SUM_BYTES } from './index-head.js';
import {
  compareRows,
  type DataSizes,
  encodeBlobRow,
  encodeSegmentRow,
  type IndexTable,
  ROW_BYTES,
} from './index-rows.js';

/** Rows of one table in the order they came, in one growing buffer. */
class RowTable {
  readonly table: IndexTable;
  readonly rowBytes: number;
  readonly places = new Map<string, number>();
  #buffer: Uint8Array;
  #rows = 0;

  constructor(table: IndexTable) {
    this.table = table;
    this.rowBytes = ROW_BYTES[table];
    this.#buffer = new Uint8Array(this.rowBytes * 16);
  }

  get count(): number {
    return this.#rows;
  }

  row(index: number): Uint8Array {
    return this.#buffer.subarray(index * this.rowBytes, (index + 1) * this.rowBytes);
  }

  add(key: string, row: Uint8Array): void {
    assert(row.length === this.rowBytes, `row of ${row.length} bytes`);
    if (this.#rows >= SET_RECORDS_MAX) {
      throw new LimitError(`a pack set holds more than ${SET_RECORDS_MAX} records`, {
        max: SET_RECORDS_MAX,
      });
    }
    if ((this.#rows + 1) * this.rowBytes > this.#buffer.length) {
      const bigger = new Uint8Array(this.#buffer.length * 2);
      bigger.set(this.#buffer);
      this.#buffer = bigger;
    }
    this.#buffer.set(row, this.#rows * this.rowBytes);
    this.places.set(key, this.#rows++);
  }

  /** All rows, sorted. */
  sorted(): Uint8Array {
    // The first 6 digest bytes as a number decide nearly every comparison.
    const leads = new Float64Array(this.#rows);
    for (let i = 0; i < this.#rows; i++) {
      const at = i * this.rowBytes + 1;
      let lead = 0;
      for (let k = at; k < at + 6; k++) lead = lead * 256 + (this.#buffer[k] as number);
      leads[i] = lead;
    }
    const order = Uint32Array.from({ length: this.#rows }, (_, index) => index);
    order.sort(
      (a, b) => leads[a]! - leads[b]! || compareRows(this.table, this.row(a), this.row(b)),
    );
    const sorted = new Uint8Array(this.#rows * this.rowBytes);
    order.forEach((index, place) => {
      sorted.set(this.row(index), place * this.rowBytes);
    });
    return sorted;
  }
}

/** Collects rows and makes an idx of them. Memory: about 250 bytes per record. */
export class IndexBuilder {
  readonly #tables = { blob: new RowTable('blob'), segment: new RowTable('segment') };

  get count(): number {
    return this.#tables.blob.count + this.#tables.segment.count;
  }

  addBlob(entry: BlobEntry): void {
    this.#tables.blob.add(entry.id, encodeBlobRow(entry));
  }

  addSegment(entry: SegmentEntry): void {
    this.#tables.segment.add(rowName(entry.id, entry.segment), encodeSegmentRow(entry));
  }

  hasBlob(id: Id): boolean {
    return this.#tables.blob.places.has(id);
  }

  hasSegment(id: Id, segment: number): boolean {
    return this.#tables.segment.places.has(rowName(id, segment));
  }

  /** The bytes of a row that was added; a view. */
  row(table: IndexTable, id: Id, segment = 0): Uint8Array | null {
    const key = table === 'blob' ? id : rowName(id, segment);
    const place = this.#tables[table].places.get(key);
    return place === undefined ? null : this.#tables[table].row(place);
  }

  /** The whole idx and the set id that it gives. @param sizes of the finished data files. */
  finish(sizes: DataSizes): { bytes: Uint8Array; id: SetId } {
    const { blob, segment } = this.#tables;
    const rows = { blob: blob.sorted(), segment: segment.sorted() };
    const parts = [encodeIndexHead(rows, sizes), rows.blob, rows.segment];
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const bytes = Buffer.concat(parts, length + INDEX_SUM_BYTES);
    const id = sha256Hex(bytes.subarray(0, length)).slice(0, 2 * INDEX_SUM_BYTES) as SetId;
    bytes.write(id, length, 'hex');
    return { bytes, id };
  }
}

/** As `segmentKey`; most extents have one segment, whose key is the id, which is in memory already. */
function rowName(id: Id, segment: number): string {
  return segment === 0 ? id : segmentKey(id, segment);
}
