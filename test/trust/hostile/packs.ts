/** Manifests, indexes and packs that lie. */

import fs from 'node:fs/promises';
import { crc32 } from '../../../lib/base/bytes/checksum.js';
import { type Id, objectId, sha256 } from '../../../lib/base/bytes/hash.js';
import { encodeBlob } from '../../../lib/pure/codec/blob-coder.js';
import { FolderBackend } from '../../../lib/storage/store/backends/folder-backend.js';
import { packName } from '../../../lib/storage/store/names.js';
import { PackSetWriter } from '../../../lib/storage/store/packs/pack-writer.js';
import type { BlobRecord, FileClass, SegmentRecord } from '../../../lib/storage/store/types.js';
import { packFiles } from '../../helpers/pack-files.js';
import type { Hostile } from '../hostile-repositories.js';
import type { Forge } from './forge.js';

const MANIFESTS: readonly Hostile[] = [
  {
    name: 'manifest: ten thousand sets that are not there',
    make: (forge) =>
      forge.reseal('manifest', (text) => {
        const row = (i: number) => `set ${i.toString(16).padStart(32, '0')} 100 100 0 0 100\n`;
        return text + Array.from({ length: 10_000 }, (_, i) => row(i)).join('');
      }),
  },
  {
    name: 'manifest: sizes beyond all bounds',
    make: (forge) =>
      forge.reseal('manifest', (text) =>
        text.replace(/^(set \w+) .*$/gm, '$1 999999999999999 999999999999999 0 0 999999999999999'),
      ),
  },
  {
    name: 'manifest: a set with a name that leads away',
    make: (forge) =>
      forge.reseal('manifest', (text) => `${text}set ../../../canary/file 1 1 0 0 1\n`),
  },
  { name: 'manifest: empty', make: (forge) => forge.seal('manifest', '') },
  {
    name: 'manifest: the last generation',
    make: (forge) =>
      forge.reseal('manifest', (text) =>
        text.replace(/generation \d+/, 'generation 999999999999999'),
      ),
  },
];

/** Changes the index of the first set and makes its checksums, its name and the manifest right. */
async function withIndex(forge: Forge, change: (bytes: Buffer) => Buffer): Promise<void> {
  const names = await packFiles(forge.layout.packs);
  const old = (names.find((name) => name.endsWith('.idx')) as string).slice(0, 32);
  const body = change((await fs.readFile(forge.file(`packs/${old}.idx`))).subarray(0, -16));
  const sum = sha256().update(body).digest().subarray(0, 16);
  const name = sum.toString('hex');
  await forge.write(`packs/${name}.idx`, Buffer.concat([body, sum]));
  await fs.rm(forge.file(`packs/${old}.idx`));
  for (const part of names.filter((one) => one.startsWith(old) && !one.endsWith('.idx'))) {
    await fs.rename(forge.file(`packs/${part}`), forge.file(`packs/${name}${part.slice(32)}`));
  }
  await forge.reseal('manifest', (text) =>
    text.replace(new RegExp(`^set ${old} (.*) \\d+$`, 'm'), `set ${name} $1 ${body.length + 16}`),
  );
}

/** Offset of the blob rows of a small index: header, one bucket for each table, crc. */
const INDEX_HEAD_BYTES = 48 + 8 + 8 + 4;
const BLOB_ROW_BYTES = 89;

/** Changes the first blob row of an index. */
function withBlobRow(forge: Forge, change: (row: Buffer) => unknown): Promise<void> {
  return withIndex(forge, (bytes) => {
    const rows = bytes.readUInt32LE(8);
    const end = INDEX_HEAD_BYTES + rows * BLOB_ROW_BYTES;
    change(bytes.subarray(INDEX_HEAD_BYTES, INDEX_HEAD_BYTES + BLOB_ROW_BYTES));
    bytes.writeUInt32LE(crc32(bytes.subarray(INDEX_HEAD_BYTES, end)), 48 + 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, INDEX_HEAD_BYTES - 4)), INDEX_HEAD_BYTES - 4);
    return bytes;
  });
}

const INDEXES: readonly Hostile[] = [
  {
    name: 'index: sixteen million rows',
    make: (forge) =>
      withIndex(forge, (bytes) => {
        bytes.writeUInt32LE(1 << 24, 8);
        bytes.writeUInt32LE(1 << 24, 12);
        return bytes;
      }),
  },
  { name: 'index: nothing but its sum', make: (forge) => withIndex(forge, () => Buffer.alloc(0)) },
  {
    name: 'index: a record beyond the end of its file',
    make: (forge) => withBlobRow(forge, (row) => row.writeBigUInt64LE(2n ** 52n, 36)),
  },
  {
    name: 'index: a record of 4 GiB',
    make: (forge) => withBlobRow(forge, (row) => row.fill(0xff, 44, 52)),
  },
  {
    name: 'index: a blob that is its own base',
    make: (forge) =>
      withBlobRow(forge, (row) => {
        row.writeUInt16LE(1, 34);
        row.copy(row, 52, 0, 33);
      }),
  },
  {
    name: 'index: the record of another blob',
    make: (forge) => withBlobRow(forge, (row) => row.writeBigUInt64LE(8n, 36)),
  },
];

/** Lists a set with these records in front of all others, unchecked. */
export async function withRecords(
  forge: Forge,
  records: readonly (BlobRecord | SegmentRecord)[],
): Promise<void> {
  const backend = new FolderBackend(forge.layout.dir);
  const writer = await PackSetWriter.create(backend, 'tmp/1-1/forged');
  for (const record of records) {
    if ('segment' in record) await writer.addSegment(record);
    else await writer.addBlob(record);
  }
  const { info, files } = await writer.finish();
  for (const [fileClass, from] of Object.entries(files)) {
    await fs.rename(forge.file(from), forge.file(packName(info.id, fileClass as FileClass)));
  }
  await backend.close();
  const { blob, hi, mid, low, idx } = info.bytes;
  const line = `set ${info.id} ${blob} ${hi} ${mid} ${low} ${idx}\n`;
  await forge.reseal('manifest', (text) => text.replace(/^set /m, `${line}set `));
}

const PACKS: readonly Hostile[] = [
  {
    name: 'pack: two blobs that are bases of each other',
    make: async (forge) => {
      const tip = await forge.tip();
      const bytes = await forge.blob(tip, 'version');
      const other = Buffer.from(bytes).reverse();
      const otherId = objectId('blob', other);
      const coded = await encodeBlob(bytes, 1);
      const record = (id: Id, kind: 'version' | 'blob', base: Id): BlobRecord => ({
        id,
        kind,
        codec: coded.codec,
        base,
        depth: 1,
        rawBytes: bytes.length,
        payload: coded.payload,
      });
      await withRecords(forge, [record(tip, 'version', otherId), record(otherId, 'blob', tip)]);
    },
  },
  {
    name: 'pack: a blob of few bytes that says it has 64 MiB',
    make: async (forge) => {
      const tip = await forge.tip();
      const coded = await encodeBlob(Buffer.alloc(64 << 20), 1);
      await withRecords(forge, [
        {
          id: tip,
          kind: 'version',
          codec: coded.codec,
          base: null,
          depth: 0,
          rawBytes: 64 << 20,
          payload: coded.payload,
        },
      ]);
    },
  },
  {
    name: 'pack: a codec that is not known',
    make: async (forge) => {
      const tip = await forge.tip();
      const payload = Buffer.from('payload');
      await withRecords(forge, [
        { id: tip, kind: 'version', codec: 250, base: null, depth: 0, rawBytes: 100, payload },
      ]);
    },
  },
];

export const PACK_ROWS: readonly Hostile[] = [...MANIFESTS, ...INDEXES, ...PACKS];
