/** What each example comes to in one version: from a note of an earlier run, or by running its network. */
import type { Id } from '../../base/bytes/hash.js';
import { sha256Hex } from '../../base/bytes/hash.js';
import { ConflictError, isUnreadable } from '../../base/errors.js';
import type { DataSet } from '../../knowledge/inference/data/data-set.js';
import { checkPreprocess, type Preprocess } from '../../knowledge/inference/data/preprocess.js';
import type { RunOptions } from '../../knowledge/inference/messages.js';
import {
  type BatchTiming,
  runNetwork,
  timeNetwork,
} from '../../knowledge/inference/run-network.js';
import type { Outcomes, ScoreKind } from '../../pure/metrics/outcomes.js';
import { notesOf } from '../../storage/objects/tiers.js';
import { addNotes } from '../../storage/repo/refs/refs.js';
import { currentAuthor, currentMoment } from '../../storage/repo/settings/author.js';
import type { Snapshot } from '../../storage/repo/version/file-page.js';
import { encodeNote, noteId } from '../../storage/repo/version/note.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import { fitWeights } from './fit-weights.js';
import {
  EVALUATION_NOTE,
  type Evaluation,
  packEvaluation,
  unpackEvaluation,
} from './outcome-note.js';
import { chooseTarget, placeNetwork, type Target } from './place-network.js';

/** What is run on each version. */
export interface EvaluationPlan extends AcceptTier {
  set: DataSet;
  /** Names of its files, for people. */
  data: string;
  labels: string;
  preprocess: Partial<Preprocess>;
  /** Path in the version, or `rev:path`: the network of another version, with this one's weights. */
  network?: string;
  /** The weights that are put in the network, by version; null: it keeps its own. */
  snapshots: ReadonlyMap<Id, Snapshot> | null;
  output?: string;
  task?: Outcomes['task'];
  scores: ScoreKind;
  batch: number;
  options: RunOptions;
  /** Keeps outcomes as a note. */
  record: boolean;
  /** Runs even where a note has the outcomes. */
  rerun: boolean;
  /** Sizes of batches that are timed by themselves. */
  timed: readonly number[];
}

/** What came of a version. */
export interface EvaluatedVersion extends Evaluation {
  /** Path of the checkpoint whose weights were put in the network; null if it kept its own. */
  weights: string | null;
  /** True if a note of an earlier run has said it. */
  isKnown: boolean;
  /** Id of the note that holds it; null if it was not kept. */
  note: Id | null;
  timings: BatchTiming[];
}

/** @throws as `runNetwork` and `placeNetwork`; {TierError} for files of a tier that were not asked for. */
export async function evaluateVersion(
  repo: StoreAccess,
  version: Id,
  plan: EvaluationPlan,
  context: OpContext,
): Promise<EvaluatedVersion> {
  const snapshot = plan.snapshots?.get(version) ?? null;
  const asked = { network: plan.network, snapshot };
  const target = await chooseTarget(repo, version, asked, context);
  const { entry, weights } = target;
  const from = snapshot?.key ?? null;
  checkTiers([entry, ...(weights?.files ?? [])], plan.acceptTier, context);
  const key = evaluationKey(target, plan);
  const known = plan.rerun ? null : await knownEvaluation(repo, version, key);
  if (known !== null && plan.timed.length === 0) return { ...known, weights: from, timings: [] };
  const { signal, progress } = context;
  const placed = await placeNetwork(repo, target, signal);
  try {
    if (weights !== null) {
      const file = { path: placed.path, label: entry.path, view: weights.view };
      await fitWeights(repo, file, weights, context);
    }
    const run = {
      path: placed.path,
      label: entry.path,
      set: plan.set,
      preprocess: checkPreprocess(plan.preprocess),
      options: plan.options,
      scores: plan.scores,
      ...(plan.task === undefined ? {} : { task: plan.task }),
      ...(plan.output === undefined ? {} : { output: plan.output }),
      ...(signal === undefined ? {} : { signal }),
    };
    if (known !== null) {
      return { ...known, weights: from, timings: await timeNetwork(run, plan.timed) };
    }
    progress.start(
      `running ${entry.path} of ${version.slice(0, 10)}`,
      plan.set.examples,
      'examples',
    );
    const result = await runNetwork({
      ...run,
      batch: plan.batch,
      onExamples: (count) => progress.advance(count),
    });
    const evaluation: Evaluation = {
      key,
      data: plan.data,
      labels: plan.labels,
      network: target.label,
      runtime: result.version,
      ...plan.options,
      batch: result.batch,
      latency: result.latency,
      preprocess: run.preprocess,
      outcomes: result.outcomes,
    };
    const note = plan.record ? await keep(repo, version, evaluation) : null;
    const timings = await timeNetwork(run, plan.timed);
    return { ...evaluation, weights: from, isKnown: false, note, timings };
  } finally {
    progress.finish();
    await placed.remove();
  }
}

/** How weights are put into a network: outcomes of the former ways are not taken again. */
const FITTED = 'fitted 2';

/** sha256 of what decides about outcomes; batch and threads change their last bits alone. */
function evaluationKey({ entry, weights }: Target, plan: EvaluationPlan): string {
  const { scale, mean, std, layout } = checkPreprocess(plan.preprocess);
  return sha256Hex(
    JSON.stringify([
      plan.set.sha256,
      plan.set.examples,
      [scale, mean, std, layout],
      [
        ...[entry.path, entry.recipe.id],
        ...(weights === null ? [] : [FITTED, ...weights.files.map(({ recipe }) => recipe.id)]),
      ],
      plan.output ?? null,
      plan.task ?? null,
      plan.scores,
    ]),
  );
}

type KnownEvaluation = Omit<EvaluatedVersion, 'timings' | 'weights'>;

/** The latest note with a key; those that cannot be read are passed over. */
async function knownEvaluation(
  repo: StoreAccess,
  version: Id,
  key: string,
): Promise<KnownEvaluation | null> {
  let latest: { time: number; found: KnownEvaluation } | null = null;
  for (const { kind, body, file, id, time } of await notesOf(repo, version)) {
    if (kind !== EVALUATION_NOTE || (latest !== null && latest.time > time)) continue;
    try {
      const evaluation = unpackEvaluation(body, file);
      if (evaluation.key !== key) continue;
      latest = { time, found: { ...evaluation, isKnown: true, note: id } };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      repo.warn?.(`an evaluation cannot be read and is made again: ${error.message}`);
    }
  }
  return latest?.found ?? null;
}

async function keep(repo: StoreAccess, version: Id, evaluation: Evaluation): Promise<Id> {
  const bytes = encodeNote({
    version,
    kind: EVALUATION_NOTE,
    author: await currentAuthor(repo.config, repo.layout.workTree),
    ...currentMoment(),
    body: packEvaluation(evaluation),
  });
  const id = noteId(bytes);
  const session = repo.session();
  try {
    await session.putBlob('note', bytes);
    await session.flush();
  } finally {
    await session.abort();
  }
  await repo.locked(async (lock) => {
    await repo.store.reload();
    if (!(await repo.store.hasBlob(id))) {
      throw new ConflictError('the outcomes were collected as garbage meanwhile', {
        id,
        hint: 'run the command again',
      });
    }
    await addNotes(lock, version, [id]);
  });
  return id;
}
