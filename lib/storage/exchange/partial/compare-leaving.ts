/** Reads from a remote the planes that are to go here, and compares them with the checksums here. */
import { crc32 } from '../../../base/bytes/checksum.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import type { Id } from '../../../base/bytes/hash.js';
import type { ObjectStore } from '../../store/object-store.js';
import type { SetInfo } from '../../store/types.js';
import { planeRange } from '../fetching/record-ranges.js';
import type { RemoteFile } from '../incoming.js';
import { damagedRemote } from '../remote/remote-damage.js';
import { remoteFile } from '../remote/remote-store.js';
import type { ByteRange, TransferOptions } from '../transports/transport.js';
import type { KeeperParts, Kept } from './keeper.js';
import type { Leaving } from './leaving.js';

/** Bytes of one read. */
const READ_BYTES_MAX = 8 * 1024 * 1024;
const READS_AT_ONCE = 2;

/** Planes of one class of a record, where they stand in a file of the remote. */
interface Payload extends ByteRange {
  readonly id: Id;
  readonly crc: number;
}

interface FilePayloads {
  readonly file: RemoteFile;
  readonly payloads: Payload[];
}

/** @throws {CorruptError} if the remote has other bytes; {RemoteError} */
export async function compareLeaving(
  parts: KeeperParts,
  { sets }: Kept,
  leaving: readonly Leaving[],
  options: TransferOptions,
): Promise<void> {
  const { repo, source } = parts;
  const files = await payloadsByFile(repo.store, sets, leaving);
  const reads = files.flatMap(({ file, payloads }) =>
    readsOf(payloads).map((together) => ({ file, payloads: together })),
  );
  await forEachLimit(reads, READS_AT_ONCE, async ({ file, payloads }) => {
    const start = payloads[0]?.start ?? 0;
    const range = { start, end: payloads.at(-1)?.end ?? start };
    const bytes = await bytesAt(parts, file, range, options);
    for (const payload of payloads) {
      const found = bytes.subarray(payload.start - start, payload.end - start);
      if (found.length === payload.end - payload.start && crc32(found) === payload.crc) continue;
      const what = `it has other low planes of extent ${payload.id}`;
      throw damagedRemote(source.shown, what, payload.id);
    }
  });
}

async function payloadsByFile(
  { here }: ObjectStore,
  sets: readonly SetInfo[],
  leaving: readonly Leaving[],
): Promise<FilePayloads[]> {
  const infos = new Map(sets.map((info) => [info.id, info]));
  const files = new Map<string, FilePayloads>();
  for (const { entry, there, classes } of leaving) {
    const head = await here.openSegment(entry.id, entry.segment);
    for (const plane of classes) {
      const { fileClass, range } = planeRange(there, plane);
      const file = remoteFile(infos.get(there.set) as SetInfo, fileClass);
      const payload = { ...range, id: entry.id, crc: head?.crcs[plane] ?? -1 };
      const known = files.get(file.name) ?? { file, payloads: [] };
      known.payloads.push(payload);
      files.set(file.name, known);
    }
  }
  return [...files.values()];
}

/** Payloads that stand one after the other are read together, up to READ_BYTES_MAX. @param payloads  sorted here. */
function readsOf(payloads: Payload[]): Payload[][] {
  const reads: Payload[][] = [];
  let read: Payload[] = [];
  for (const payload of payloads.sort((a, b) => a.start - b.start)) {
    const first = read[0] ?? payload;
    const isNext = read.length === 0 || read.at(-1)?.end === payload.start;
    if (!isNext || payload.end - first.start > READ_BYTES_MAX) {
      reads.push(read);
      read = [];
    }
    read.push(payload);
  }
  if (read.length > 0) reads.push(read);
  return reads;
}

async function bytesAt(
  { source, incoming }: KeeperParts,
  file: RemoteFile,
  range: ByteRange,
  options: TransferOptions,
): Promise<Uint8Array> {
  // What is only compared is not written down, but where whole files come: then they come once.
  if (source.sendsWhole ?? true) {
    await incoming.need(file, [range], options.onBytes);
    return incoming.read(file, range.start, range.end - range.start);
  }
  const pieces: Uint8Array[] = [];
  const take = async (bytes: Uint8Array): Promise<void> => {
    pieces.push(new Uint8Array(bytes));
  };
  await source.read(file.name, range, take, options);
  return Buffer.concat(pieces);
}
