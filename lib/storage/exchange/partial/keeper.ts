/**
 * What a remote has at this moment, looked at afresh: before it is the only one to have something.
 *
 * Copies of what was read of it earlier tell only what it had then.
 */
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { sha256 } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import { isSameCoding, recordKey, type SegmentEntry, type SetInfo } from '../../store/types.js';
import { surveyRemote } from '../collect/survey-remote.js';
import type { FetchingRepository } from '../fetch-plan.js';
import type { Incoming } from '../incoming.js';
import type { Remote, RemoteReader } from '../remote/remote.js';
import { damagedRemote } from '../remote/remote-damage.js';
import { remoteFile } from '../remote/remote-store.js';
import type { TransferOptions } from '../transports/transport.js';
import { openParts } from './bring.js';

/** What a remote keeps, as one state of it says. */
export interface Kept {
  readonly generation: number;
  readonly sets: readonly SetInfo[];
  /** Records of extents that its branches and tags need, by `recordKey`: what stays there whoever collects it. */
  readonly segments: ReadonlyMap<string, SegmentEntry>;
}

/** A repository, and a remote that shall keep something for it. */
export interface KeeperParts {
  readonly repo: FetchingRepository;
  readonly source: Remote;
  readonly incoming: Incoming;
}

/** @throws {CorruptError} if the remote lacks something that a ref of it needs; {RemoteError} */
export async function readKept(
  { repo, source, incoming }: KeeperParts,
  options: TransferOptions,
): Promise<Kept> {
  const { refs, generation } = source.state;
  const { remote, sets } = await openParts(repo, { source, remote: '' }, incoming, options);
  await checkIndexes(source, sets, options);
  const holdings = await source.holdings(options);
  const { signal } = options;
  const parts = { repo, remote, holdings, shown: source.shown };
  const survey = await surveyRemote(parts, [...new Set(refs.values())], signal ? { signal } : {});
  const segments = new Map<string, SegmentEntry>();
  for (const entry of survey.sets.flatMap(({ live }) => live)) {
    if ('segment' in entry) segments.set(recordKey(entry), entry);
  }
  return { generation, sets, segments };
}

/**
 * Looks at the remote once more, after records of it were compared.
 * @returns what it keeps now. @throws {ConflictError} unless that is each of the records, where it was.
 */
export async function checkStillKept(
  parts: KeeperParts,
  before: Kept,
  records: Iterable<SegmentEntry>,
  options: TransferOptions,
): Promise<Kept> {
  const { source } = parts;
  await source.refresh(options);
  if (source.state.generation === before.generation) return before;
  const now = await readKept(parts, options);
  for (const entry of records) {
    const found = now.segments.get(recordKey(entry));
    if (found?.set === entry.set && isSameCoding(found, entry)) continue;
    throw new ConflictError(`'${source.shown}' gave up or moved what was compared with it`, {
      url: source.shown,
      hint: 'nothing was freed: run the command again',
    });
  }
  return now;
}

/**
 * Reads the index of each set from the remote, and compares it with the name of the set: without its indexes
 * nobody finds what a remote has.
 * @throws {RemoteError} unless all of them are there; {CorruptError} if one is another.
 */
async function checkIndexes(
  source: RemoteReader,
  sets: readonly SetInfo[],
  { signal }: TransferOptions,
): Promise<void> {
  const how = signal ? { signal } : {};
  await forEachLimit(sets, source.concurrency, async (info) => {
    const { name, size } = remoteFile(info, 'idx');
    // The checksum at its end, which names the set, is of all bytes before.
    const end = Math.max(0, size - info.id.length / 2);
    const hash = sha256();
    const sum: Uint8Array[] = [];
    let at = 0;
    const take = async (bytes: Uint8Array): Promise<void> => {
      const cut = Math.max(0, Math.min(bytes.length, end - at));
      hash.update(bytes.subarray(0, cut));
      sum.push(new Uint8Array(bytes.subarray(cut)));
      at += bytes.length;
    };
    await source.read(name, { start: 0, end: size }, take, how);
    const found = hash.digest('hex').slice(0, info.id.length);
    if (found === info.id && Buffer.concat(sum).toString('hex') === info.id) return;
    throw damagedRemote(source.shown, `'${name}' is not what its name says`);
  });
}
