/**
 * Brings versions to a remote: plans, uploads packs, then makes them visible together with its refs.
 *
 * Start at `pushVersions`. A run that is killed before the swap leaves packs that nothing names; the next run
 * finds them there, because sets are named by their content.
 */
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import type { NumberMarks } from '../repo/numbers.js';
import type { SealedSet } from '../store/types.js';
import { mergeMarks } from './numbers.js';
import { type PushPlan, type PushPlanOptions, planPush } from './push-plan.js';
import type { PushEnds } from './pushing/push-ends.js';
import { type SendOptions, sendPlan } from './pushing/send-plan.js';
import { Upload } from './pushing/upload.js';
import type { Remote } from './remote/remote.js';
import type { RemoteState } from './remote/remote-file.js';
import { flagsToPush } from './remote/remote-flags.js';

export interface PushOptions extends PushPlanOptions, SendOptions {
  /** Begins a piece of work of so many bytes. */
  onStart?(what: 'plan' | 'push', bytes: number): void;
  /** Asked before anything is sent, with the bytes of the records; throws to refuse. */
  onPlan?(bytes: number): Promise<void>;
  /** Only says what would be pushed. */
  dryRun?: boolean;
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
  await sendPlan(repo, plan, upload, options);
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
