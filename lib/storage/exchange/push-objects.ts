/**
 * Brings versions to a remote: plans, uploads packs, then makes them visible together with its refs.
 *
 * Start at `pushVersions`. A run that is killed before the swap leaves packs that nothing names; the next run
 * finds them there, because sets are named by their content.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { forEachLimit } from '../../base/bytes/for-each-limit.js';
import { type Id, sha256Hex } from '../../base/bytes/hash.js';
import { ConflictError, CorruptError } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import { encodeBlob } from '../../pure/codec/blob-coder.js';
import { encodeSegment } from '../../pure/codec/segment.js';
import type { ReadAccess } from '../objects/access.js';
import { recodedRecord, storedSegment } from '../objects/recode.js';
import { readRecord } from '../objects/records.js';
import type { NumberMarks } from '../repo/numbers.js';
import { newWorkName } from '../repo/processes/made-names.js';
import type { Backend } from '../store/backends/backend.js';
import { packName } from '../store/names.js';
import { RollingWriter, removeSealed } from '../store/packs/rolling-writer.js';
import {
  type BlobEntry,
  type BlobRecord,
  FILE_CLASSES,
  type FileClass,
  type RecordSink,
  type SealedSet,
  type SegmentEntry,
  type SegmentRecord,
} from '../store/types.js';
import { verifySet } from '../store/verify.js';
import { setName } from './collect/garbage-file.js';
import { mergeMarks } from './numbers.js';
import {
  changedMeanwhile,
  keyOf,
  type PushEnds,
  type PushedSet,
  type PushPlan,
  type PushPlanOptions,
  planPush,
} from './push-plan.js';
import type { Remote } from './remote.js';
import type { RemoteCache } from './remote-cache.js';
import type { RemoteState } from './remote-file.js';
import { flagsToPush } from './remote-flags.js';
import type { TransferOptions, UploadSource } from './transports/transport.js';

export interface PushOptions extends PushPlanOptions {
  /** Begins a piece of work of so many bytes. */
  onStart?(what: 'plan' | 'push', bytes: number): void;
  /** Asked before anything is sent, with the bytes of the records; throws to refuse. */
  onPlan?(bytes: number): Promise<void>;
  /** Only says what would be pushed. */
  dryRun?: boolean;
  /** Compares what travels as it is with its checksums first. */
  verify?: boolean;
  /** Where sets are made that are sent in place of several; default: in the repository, which has to be writable then. */
  workshop?: Backend;
}

/** What refs and numbers of the remote become. */
export interface PushedRefs {
  /** Versions that the refs will name. */
  readonly tips: readonly Id[];
  /**
   * The refs and the default branch that follow from those that are there; may be asked again after another push.
   * @throws {ConflictError} if the branches of the remote moved in a way that forbids it.
   */
  move(state: RemoteState): Promise<Pick<RemoteState, 'refs' | 'head'>>;
  /** Highest numbers of the models that are pushed. */
  readonly numbers: NumberMarks;
  /** True if no ref moves: nothing is to be made visible then, unless there are notes. */
  isNothing(): boolean;
}

/** What a push sent, or would send. */
export interface Pushed {
  versions: number;
  /** Notes that the remote lacked, about whatever versions. */
  notes: number;
  /** Bytes of records that the remote lacked. */
  bytes: number;
  /** Records that were encoded once more, without their base. */
  recoded: number;
}

/** Files of one set that are sent at once. */
const FILES_AT_ONCE = 4;
const PLANS_MAX = 3;

/** @throws {ConflictError} {RemoteError} {CorruptError} */
export async function pushVersions(
  ends: PushEnds,
  refs: PushedRefs,
  options: PushOptions = {},
): Promise<Pushed> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pushOnce(ends, refs, options);
    } catch (error) {
      // gc was at work, here or there: what is there is looked at anew.
      const isGone = (error as { data?: { gone?: unknown } }).data?.gone === true;
      if (attempt === PLANS_MAX || !(isGone || isMissing(error))) throw error;
      await ends.repo.store.reload();
      await ends.remote.refresh(options);
    }
  }
}

async function pushOnce(ends: PushEnds, refs: PushedRefs, options: PushOptions): Promise<Pushed> {
  const { repo, remote } = ends;
  const { signal, onStart } = options;
  onStart?.('plan', 0);
  const { collection } = remote.state;
  if (remote.transport.names !== undefined && !remote.isNew) {
    const there = new Set(await remote.transport.names('packs'));
    await remote.checkFiles((name) => there.has(name), signal ? { signal } : {});
  }
  const { tombstones, notes: only } = options;
  const plan = await planPush(ends, refs.tips, {
    ...(signal ? { signal } : {}),
    ...(tombstones === undefined ? {} : { tombstones }),
    ...(only === undefined ? {} : { notes: only }),
  });
  const notes = [...plan.notes.values()].reduce((sum, ids) => sum + ids.length, 0);
  const pushed = {
    versions: plan.versions.size,
    notes,
    bytes: plan.bytes,
    recoded: plan.alone.size,
  };
  if (options.dryRun || (plan.sets.length === 0 && plan.notes.size === 0 && refs.isNothing())) {
    return pushed;
  }
  await options.onPlan?.(plan.bytes);
  await remote.prepare(signal ? { signal } : {});
  onStart?.('push', plan.bytes);
  const upload = new Upload(ends, options);
  await upload.run(plan);
  await remote.publish(
    async (state) => {
      checkCollected(remote, collection, state);
      await checkRelied(remote, plan);
      return nextState({ remote, plan, sent: upload.sent }, state, refs);
    },
    await flagsToPush(repo.layout),
    options,
  );
  await upload.forgetBegun();
  return pushed;
}

/**
 * What was found to be there may have been removed since, by a collection that began after that.
 * @throws {ConflictError}
 */
function checkCollected(
  remote: Remote,
  before: RemoteState['collection'],
  { collection }: RemoteState,
): void {
  if ((before?.collected ?? 0) !== (collection?.collected ?? 0)) throw collectedMeanwhile(remote);
}

function collectedMeanwhile({ shown }: Remote): ConflictError {
  return new ConflictError('the remote was collected while versions were pushed', {
    url: shown,
    gone: true,
    hint: 'run the command again',
  });
}

/** Brings a set to the remote, and keeps its index here. */
export async function sendSet(
  ends: PushEnds,
  sealed: SealedSet,
  options: TransferOptions,
): Promise<void> {
  const upload = new Upload(ends, options);
  await upload.send(sealed);
  await upload.keepIndex(sealed);
}

/** @throws {ConflictError} if a collection of the remote took a set away that the plan counts on. */
async function checkRelied(remote: Remote, plan: PushPlan): Promise<void> {
  const { sets } = await remote.holdings();
  const there = new Set(sets.map(({ id }) => id));
  if ([...plan.relied].every((id) => there.has(id))) return;
  throw collectedMeanwhile(remote);
}

async function nextState(
  done: { remote: Remote; plan: PushPlan; sent: readonly SealedSet['info'][] },
  state: RemoteState,
  refs: PushedRefs,
): Promise<RemoteState> {
  const { remote, plan, sent } = done;
  const { sets, notes } = await remote.holdings();
  const there = new Set(sets.map(({ id }) => id));
  const lines = [...state.lines];
  for (const info of sent) if (!there.has(info.id)) lines.push({ kind: 'set', info });
  for (const [version, ids] of plan.notes) {
    const known = notes.get(version) ?? [];
    for (const note of ids) if (!known.includes(note)) lines.push({ kind: 'note', version, note });
  }
  const numbers: NumberMarks = new Map(state.numbers);
  mergeMarks(numbers, refs.numbers);
  return { ...state, ...(await refs.move(state)), numbers, lines };
}

class Upload {
  readonly #repo: ReadAccess;
  readonly #remote: Remote;
  readonly #cache: RemoteCache | null;
  readonly #options: PushOptions;
  /** Sets that the remote has now. */
  readonly sent: SealedSet['info'][] = [];

  constructor({ repo, remote, cache }: PushEnds, options: PushOptions) {
    this.#repo = repo;
    this.#remote = remote;
    this.#cache = cache;
    this.#options = options;
  }

  async run(plan: PushPlan): Promise<void> {
    for (const { info, whole } of plan.sets) {
      if (!whole) continue;
      if (this.#options.verify) await this.#verify(info);
      const files: SealedSet['files'] = {};
      for (const fileClass of FILE_CLASSES) {
        if (info.bytes[fileClass] > 0) files[fileClass] = packName(info.id, fileClass);
      }
      await this.send({ info, files });
    }
    await this.#copy(plan);
  }

  /** @throws {CorruptError} if a byte of a set is not what it should be. */
  async #verify(info: SealedSet['info']): Promise<void> {
    throwIfAborted(this.#options.signal);
    for await (const { message, file } of verifySet(this.#repo.store.backend, info)) {
      throw new CorruptError(`cannot take from this repository: ${message}`, {
        file,
        hint: "run 'dlv fsck' and repair the repository first",
      });
    }
  }

  /** Copies the records of all other sets into new ones, each of which is sent once it is full. */
  async #copy(plan: PushPlan): Promise<void> {
    const backend = this.#options.workshop ?? this.#repo.store.backend;
    const sink = new RollingWriter({
      backend,
      tmpName: () => newWorkName('push'),
      onSealed: async (sealed) => {
        try {
          await this.send(sealed, backend);
          await this.keepIndex(sealed, backend);
        } finally {
          await removeSealed(backend, [sealed]);
        }
      },
    });
    try {
      for (const set of plan.sets) if (!set.whole) await this.#copySet(plan, set, sink);
      await sink.flush();
    } finally {
      await sink.abort();
    }
  }

  async #copySet(plan: PushPlan, { entries }: PushedSet, sink: RecordSink): Promise<void> {
    for (const entry of entries) {
      throwIfAborted(this.#options.signal);
      const isAlone = plan.alone.has(keyOf(entry));
      if ('kind' in entry) {
        await sink.addBlob(isAlone ? await this.#blobAlone(entry) : await this.#blob(entry));
      } else {
        await sink.addSegment(
          isAlone ? await this.#segmentAlone(entry) : await this.#segment(entry),
        );
      }
    }
  }

  /** @throws {NotFoundError} if its live record is another one now: the plan no longer holds. */
  async #blob(entry: BlobEntry): Promise<BlobRecord> {
    const record = (await readRecord(this.#repo, {
      id: entry.id,
      segment: null,
    })) as BlobRecord | null;
    if (record === null || record.base !== entry.base) throw changedMeanwhile();
    return record;
  }

  async #segment({ id, segment, base }: SegmentEntry): Promise<SegmentRecord> {
    const record = (await readRecord(this.#repo, { id, segment })) as SegmentRecord | null;
    if (record === null || record.base !== base) throw changedMeanwhile();
    return record;
  }

  async #blobAlone({ id, kind }: BlobEntry): Promise<BlobRecord> {
    const bytes = await this.#repo.blobs.readBlob(id, kind);
    const { codec, payload } = await encodeBlob(bytes, 1);
    return { id, kind, codec, base: null, depth: 0, rawBytes: bytes.length, payload };
  }

  async #segmentAlone({ id, segment }: SegmentEntry): Promise<SegmentRecord> {
    const stored = await storedSegment(this.#repo.store, id, segment);
    const lease = await this.#repo.planes.lend({ id, segment });
    try {
      return recodedRecord(stored, await encodeSegment(lease.planes, null), null, 0);
    } finally {
      lease.release();
    }
  }

  /** The index last: without it a set is none. @param from  where its files are. */
  async send(sealed: SealedSet, from: Backend = this.#repo.store.backend): Promise<void> {
    const { info, files } = sealed;
    await this.#remote.checkStays(setName(info.id));
    const isNew = await this.#begin(info.id);
    const data = FILE_CLASSES.filter((name) => name !== 'idx' && info.bytes[name] > 0);
    const send = (name: FileClass): Promise<void> => {
      const file = files[name] as string;
      const source: UploadSource = {
        size: info.bytes[name],
        read: (offset, length) => from.read(file, offset, length),
      };
      const how = { ...this.#options, isNew };
      return this.#remote.transport.store(packName(info.id, name), source, how);
    };
    await forEachLimit(data, FILES_AT_ONCE, send);
    if (files.idx !== undefined) await send('idx');
    this.sent.push(info);
  }

  /**
   * Notes that a set is being sent, where a look at what is there costs a request.
   * @returns true if it cannot be there: as what an interrupted run left, or as garbage that is not removed yet.
   */
  async #begin(id: string): Promise<boolean> {
    if (this.#remote.transport.proveSwaps === undefined) return false;
    const fact = this.#begunFact(id);
    if (await this.#cache?.knows(fact)) return false;
    await this.#cache?.keepFact(fact);
    return (this.#remote.state.collection?.garbage.length ?? 0) === 0;
  }

  #begunFact(id: string): string {
    return sha256Hex(Buffer.from(`begun ${id} ${this.#remote.shown}`));
  }

  /** The sets that were sent are listed: nothing of them is left half done. */
  async forgetBegun(): Promise<void> {
    if (this.#remote.transport.proveSwaps === undefined) return;
    for (const { id } of this.sent) await this.#cache?.forgetFact(this.#begunFact(id));
  }

  async keepIndex(
    { info, files }: SealedSet,
    from: Backend = this.#repo.store.backend,
  ): Promise<void> {
    if (files.idx === undefined || this.#cache === null) return;
    const bytes = await from.read(files.idx, 0, info.bytes.idx);
    await this.#cache.keepIndex(info.id, bytes);
  }
}
