/** Rows of pack indexes, and the test of large ones. */
import type { ExecutionContext } from 'ava';
import { type Id, sha256Hex } from '../../../../../lib/base/bytes/hash.js';
import { MemoryBackend } from '../../../../../lib/storage/store/backends/memory-backend.js';
import { IndexBuilder } from '../../../../../lib/storage/store/indexes/index-builder.js';
import { fanoutBits } from '../../../../../lib/storage/store/indexes/index-head.js';
import { IndexReader } from '../../../../../lib/storage/store/indexes/index-reader.js';
import {
  type DataSizes,
  decodeBlobRow,
  ROW_BYTES,
  rowKey,
} from '../../../../../lib/storage/store/indexes/index-rows.js';
import { packName } from '../../../../../lib/storage/store/names.js';
import type { BlobEntry, SetId, SetInfo } from '../../../../../lib/storage/store/types.js';
import { seededRandom } from '../../../../helpers/rng.js';

/** Sizes of the files beside an idx. */
export const SIZES: DataSizes = { blob: 2 ** 45, hi: 2 ** 45, mid: 2 ** 44, low: 0 };
export const SET = '0'.repeat(32) as SetId;

/** Counts what is read from it. */
export class CountingBackend extends MemoryBackend {
  bytesRead = 0;
  reads = 0;

  override async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    this.reads++;
    this.bytesRead += length;
    return super.read(name, offset, length);
  }
}

/** The id of a name. */
export function id(name: string | number): Id {
  return sha256Hex(`${name}`) as Id;
}

/** The n-th row of a table. */
export function blobEntry(n: number): BlobEntry {
  const depth = n % 3;
  return {
    id: id(n),
    kind: n % 2 ? 'version' : 'blob',
    base: depth > 0 ? id(n - 1) : null,
    depth,
    rawBytes: n,
    recordBytes: 60 + n,
    set: SET,
    offset: 8 + 1000 * n,
    crc: (n * 2654435761) >>> 0,
  };
}

/** Holds one large idx without copying it. */
function backendOf(bytes: Uint8Array, info: SetInfo): CountingBackend {
  const backend = new CountingBackend();
  const name = packName(info.id, 'idx');
  backend.read = async (file, offset, length) => {
    if (file !== name) throw new Error(file);
    backend.reads++;
    backend.bytesRead += length;
    return bytes.slice(offset, offset + length);
  };
  return backend;
}

/** Checks that opening an index of `rows` blobs reads its head alone, and a look-up one bucket. */
export async function checkLargeIndex(t: ExecutionContext, rows: number): Promise<void> {
  const random = seededRandom(5);
  const builder = new IndexBuilder();
  const digits = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  const ids: Id[] = [];
  for (let i = 0; i < rows; i++) {
    // Eight leading digits tell ids apart well enough; the others make keys unique.
    const key = `${digits()}${i.toString(16).padStart(56, '0')}` as Id;
    if (i % Math.floor(rows / 100) === 0) ids.push(key);
    builder.addBlob({ ...blobEntry(i % 1000), id: key });
  }
  const { bytes, id: setId } = builder.finish(SIZES);
  const info = { id: setId, bytes: { ...SIZES, idx: bytes.length } };
  const backend = backendOf(bytes, info);
  const index = await IndexReader.open(backend, info);
  const bits = Math.ceil(Math.log2(rows / 64));
  t.is(fanoutBits(rows), bits);
  const head = 48 + 8 * (2 ** bits + 1) + 4;
  t.true(backend.bytesRead <= head + 100, `${backend.bytesRead} bytes read to open`);
  t.is(index.memoryBytes, head);
  for (const key of ids) {
    backend.bytesRead = backend.reads = 0;
    const row = await index.find('blob', rowKey('blob', key));
    t.is(row && decodeBlobRow(row, SET, index.sizes, 'f').id, key);
    t.is(backend.reads, 1);
    // At most 64 rows on average; a bucket of more than twice as many has no chance here.
    t.true(backend.bytesRead <= 130 * ROW_BYTES.blob, `${backend.bytesRead} bytes read`);
  }
}
