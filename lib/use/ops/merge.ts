/** `dlv merge`: joins other versions into the current branch, by files and tensors or by arithmetic on weights. */
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, UsageError } from '../../base/errors.js';
import { NAME_BYTES_MAX } from '../../base/limits.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import { encodeStaging } from '../../storage/repo/staging/staging-bytes.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import {
  checkNoneInTheWay,
  checkNothingStaged,
  type FileChanges,
  isStaged,
} from '../checkout/change-files.js';
import { commitChanges } from '../checkout/commit-changes.js';
import { moveBranchOn } from '../checkout/move-branch-on.js';
import type { OpContext } from '../context.js';
import { branchLine } from '../history/commit/draft-version.js';
import type { PathChange } from '../history/commit/staged-changes.js';
import { commonAncestor } from '../history/lines/ancestry.js';
import { type Line, needTip } from '../history/lines/lines.js';
import { resolveId } from '../history/lines/resolve.js';
import { checkTiers } from '../history/tier-gate.js';
import { type CalledVersion, Describer } from '../history/versions.js';
import { type Choice, Choices } from '../merging/choices.js';
import { combineFiles } from '../merging/combine-files.js';
import { foldAdapter } from '../merging/fold-adapter.js';
import { type Conflict, type MergedTensors, mergeFiles } from '../merging/merge-files.js';
import { combinationOf, describeMethod, type MethodOptions, needsBase } from '../merging/method.js';
import type { Repository } from '../repository.js';

export interface MergeOptions {
  /** Versions that are merged into the current one; several only with a method. */
  revisions?: readonly string[];
  /** Arithmetic on weights instead of a merge by files and tensors. */
  combine?: MethodOptions;
  /** A LoRA adapter that is folded into the weights: a revision, and a path in it where it has several. */
  adapter?: { revision: string; path?: string };
  /** Which side conflicts are taken from; the last choice that matches holds. */
  choices?: readonly Choice[];
  /** What is done where nothing has to be joined: move the branch on (default), only that, or a version anyway. */
  fastForward?: 'if possible' | 'only' | 'never';
  message?: string;
  /** Changes the files and stages them; the next commit has the parents. */
  noCommit?: boolean;
  /** Says what would be done. */
  dryRun?: boolean;
}

export interface MergeResult {
  dryRun: boolean;
  outcome: 'up to date' | 'fast-forward' | 'merged' | 'staged';
  /** Version that the branch is at afterwards; null if none was made. */
  version: Id | null;
  number: number | null;
  model: string;
  branch: string;
  /** The version that both sides derive from; null if there is none or none is needed. */
  base: CalledVersion | null;
  /** What was merged. */
  merged: CalledVersion[];
  /** What is recorded of arithmetic on weights; null for a merge by files. */
  operation: string | null;
  message: string;
  changes: PathChange[];
  /** Files that were put together of tensors of both sides. */
  tensors: MergedTensors[];
  /** Tensors whose values were combined, and those that some version does not have: they stay. */
  combined: number;
  left: string[];
  written: string[];
  removed: string[];
}

/** What a merge does to the files of the branch, and how that came about. */
interface Merge {
  changes: FileChanges;
  tensors: MergedTensors[];
  combined: number;
  left: string[];
}

interface Plan {
  tip: Id;
  others: Id[];
  base: Id | null;
  operation: string | null;
  title: string;
  /** @param session  null to say only what would be done. */
  run(session: PackSession | null): Promise<Merge>;
}

/**
 * @throws {ConflictError} if both sides changed something, with `conflicts`; if changes are staged or would be lost;
 *   {UsageError} {NotFoundError}
 */
export async function merge(
  repo: Repository,
  options: MergeOptions,
  context: OpContext,
): Promise<MergeResult> {
  const onDisk = await readStaging(repo.layout);
  const { staging } = onDisk;
  const stagingBefore = encodeStaging(staging);
  const line = await branchLine(repo, staging);
  const plan = await planMerge(repo, line, options, context);
  const { tip, others, base } = plan;
  const describer = new Describer(repo);
  const result: MergeResult = {
    dryRun: options.dryRun === true,
    outcome: 'merged',
    version: null,
    number: null,
    model: line.model,
    branch: line.branch,
    base: base === null ? null : await describer.called(base),
    merged: await Promise.all(others.map((id) => describer.called(id))),
    operation: plan.operation,
    message: options.message ?? plan.title,
    changes: [],
    tensors: [],
    combined: 0,
    left: [],
    written: [],
    removed: [],
  };
  if (plan.operation === null) {
    const moved = await moveOnly(repo, { line, plan, result }, options, context);
    if (moved !== null) return moved;
  }
  if (options.dryRun) return fill(repo, tip, result, await plan.run(null));
  return withSession(repo, async (session) => {
    const merged = await plan.run(session);
    await session.flush();
    await fill(repo, tip, result, merged);
    const { changes } = merged;
    // A run that was killed before the branch moved has staged this very change.
    if (!isStaged(staging.entries(line.model), (await repo.tree(tip)).files, changes)) {
      await checkNothingStaged(repo, line, staging, 'merge');
    }
    checkTiers(changes.target.files, false, context);
    const { operation } = plan;
    const content = {
      message: result.message,
      parents: others.filter((id) => id !== tip),
      allowEmpty: true,
      ...(operation === null
        ? {}
        : { knowledge: { operation: { kind: 'merge', detail: operation } } }),
    };
    const noCommit = options.noCommit === true;
    const change = { line, tip, onDisk, stagingBefore, changes, content, noCommit };
    if (noCommit) result.outcome = 'staged';
    return Object.assign(result, await commitChanges(repo, session, change, context));
  });
}

async function fill(
  repo: Repository,
  tip: Id,
  result: MergeResult,
  { changes, tensors, combined, left }: Merge,
): Promise<MergeResult> {
  const { target, removes } = changes;
  const known = new Set((await repo.tree(tip)).files.map(({ path }) => path));
  const rows: PathChange[] = target.files.map(({ path }) => {
    return { path, status: known.has(path) ? 'modified' : 'added' };
  });
  for (const path of removes) rows.push({ path, status: 'deleted' });
  result.changes = rows.sort((a, b) => (a.path < b.path ? -1 : 1));
  return Object.assign(result, { tensors, combined, left });
}

/** Does what needs no joining, or says that there is nothing to do; null if the sides have to be joined. */
async function moveOnly(
  repo: Repository,
  { line, plan, result }: { line: Line & { branch: string }; plan: Plan; result: MergeResult },
  { fastForward = 'if possible', noCommit, dryRun }: MergeOptions,
  context: OpContext,
): Promise<MergeResult | null> {
  const { tip, base } = plan;
  const [other] = plan.others as [Id];
  if (base === other) {
    result.outcome = 'up to date';
    return result;
  }
  const canMove = base === tip && (await repo.version(other)).model === line.model;
  if (!canMove && fastForward === 'only') {
    throw new ConflictError(`'${line.model}/${line.branch}' cannot simply move on`, {
      name: `${line.model}/${line.branch}`,
      hint: 'both sides have versions of their own: leave --ff-only out to join them',
    });
  }
  if (!canMove || fastForward === 'never' || noCommit) return null;
  result.outcome = 'fast-forward';
  result.version = other;
  result.number = await new Describer(repo).number(other);
  const before = new Map((await repo.tree(tip)).files.map((file) => [file.path, file.sha256]));
  const { files } = await repo.tree(other);
  const after = new Set(files.map(({ path }) => path));
  result.changes = [
    ...files
      .filter(({ path, sha256 }) => before.get(path) !== sha256)
      .map(({ path }): PathChange => ({ path, status: before.has(path) ? 'modified' : 'added' })),
    ...[...before.keys()]
      .filter((path) => !after.has(path))
      .map((path): PathChange => ({ path, status: 'deleted' })),
  ];
  if (dryRun) return result;
  const [{ name }] = result.merged as [CalledVersion];
  const move = { line, before: tip, after: other, reason: `merge ${name}: fast-forward` };
  const { written, removed } = await moveBranchOn(repo, move, context);
  return Object.assign(result, { written, removed });
}

async function planMerge(
  repo: Repository,
  line: Line & { branch: string },
  options: MergeOptions,
  context: OpContext,
): Promise<Plan> {
  const tip = needTip(line);
  const { revisions = [], combine, adapter } = options;
  const others: Id[] = [];
  for (const revision of revisions) {
    const id = await resolveId(repo, revision);
    if (!others.includes(id)) others.push(id);
  }
  if (combine !== undefined && adapter !== undefined) {
    throw new UsageError('an adapter is folded by itself', { hint: 'run two merges' });
  }
  if ((combine ?? adapter) !== undefined && options.choices !== undefined) {
    throw new UsageError(
      '--ours and --theirs decide conflicts, and arithmetic on weights has none',
    );
  }
  if (adapter !== undefined)
    return planAdapterFold(repo, tip, { ...options, others, adapter }, context);
  const [other, ...more] = others;
  if (other === undefined) {
    throw new UsageError('no version is named to merge', {
      hint: "as in 'dlv merge other-branch'",
    });
  }
  if (combine !== undefined) return planCombination(repo, tip, { combine, others }, context);
  if (more.length > 0) {
    throw new UsageError(`${others.length} versions cannot be joined at once`, {
      hint: 'merge one after the other, or combine their weights with --average or --ties',
    });
  }
  const base = await commonAncestor(repo, tip, other, context.signal);
  const describer = new Describer(repo);
  const choices = new Choices(options.choices ?? []);
  return {
    tip,
    others,
    base,
    operation: null,
    title: `Merge ${await describer.name(other)} into ${line.model}/${line.branch}`,
    run: async (session) => {
      const trees = {
        base: base === null ? [] : (await repo.tree(base)).files,
        ours: (await repo.tree(tip)).files,
        theirs: await repo.tree(other),
      };
      const { changes, conflicts, merged } = await mergeFiles(
        repo,
        { trees, choices },
        session,
        context,
      );
      if (conflicts.length > 0) throw inConflict(conflicts, await describer.name(other));
      checkNoneInTheWay(trees.ours, changes);
      return { changes, tensors: merged, combined: 0, left: [] };
    },
  };
}

/** Conflicts that one message names. */
const CONFLICTS_SHOWN = 5;

function inConflict(conflicts: readonly Conflict[], other: string): ConflictError {
  const title = ({ path, tensor, ours, theirs }: Conflict): string =>
    `'${path}${tensor === null ? '' : `#${tensor}`}' (${ours} here, ${theirs} in ${other})`;
  const shown = conflicts.slice(0, CONFLICTS_SHOWN).map(title).join(', ');
  const more = conflicts.length - CONFLICTS_SHOWN;
  const [first] = conflicts as [Conflict];
  const pattern = `${first.path}${first.tensor === null ? '' : `#${first.tensor}`}`;
  return new ConflictError(
    `both sides changed ${shown}${more > 0 ? ` and ${more} more` : ''}: nothing was merged`,
    {
      conflicts: conflicts.slice(0, 1000),
      hint:
        `choose a side: --ours '${pattern}' or --theirs '${pattern}', globs are allowed and '**' is everything; ` +
        'or combine the weights, as with --average',
    },
  );
}

async function planCombination(
  repo: Repository,
  tip: Id,
  { combine, others }: { combine: MethodOptions; others: Id[] },
  context: OpContext,
): Promise<Plan> {
  const describer = new Describer(repo);
  let base: Id | null = null;
  if (needsBase(combine)) {
    base = combine.base === undefined ? tip : await resolveId(repo, combine.base);
    for (const other of combine.base === undefined ? others : []) {
      base = base === null ? null : await commonAncestor(repo, base, other, context.signal);
    }
    if (base === null) {
      throw new ConflictError('these versions derive from no common version', {
        hint: 'name the version that changes are told from with --base <rev>',
      });
    }
  }
  // The base itself has changed nothing.
  const inputs = [tip, ...others].filter((id, i, all) => id !== base && all.indexOf(id) === i);
  const combination = combinationOf(combine, inputs.length);
  const names = await Promise.all(inputs.map((id) => describer.name(id)));
  const of =
    names.length > 3
      ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
      : names.join(', ');
  const about = base === null ? '' : ` base=${await describer.name(base)}`;
  const detail = `${describeMethod(combine.method, combination)}${about} of ${names.join(', ')}`;
  return {
    tip,
    others,
    base,
    operation: fitting(detail),
    title: `Merge ${of} by ${combine.method}`,
    run: async (session) => {
      const pages = {
        ours: await repo.tree(tip),
        base: base === null ? null : await repo.tree(base),
      };
      const trees = await Promise.all(inputs.map((id) => repo.tree(id)));
      const { changes, tensors, left } = await combineFiles(
        repo,
        { ...pages, inputs: trees, combination },
        session,
        context,
      );
      return { changes, tensors: [], combined: tensors, left };
    },
  };
}

/** A detail that a version can hold. */
function fitting(detail: string): string {
  if (Buffer.byteLength(detail) <= NAME_BYTES_MAX) return detail;
  return `${Buffer.from(detail)
    .subarray(0, NAME_BYTES_MAX - 8)
    .toString('utf8')
    .replace(/\ufffd/g, '')} …`;
}

async function planAdapterFold(
  repo: Repository,
  tip: Id,
  { adapter, others }: { adapter: NonNullable<MergeOptions['adapter']>; others: readonly Id[] },
  context: OpContext,
): Promise<Plan> {
  if (others.length > 0) {
    throw new UsageError('an adapter is folded into the current version alone', {
      hint: 'name it with --lora <rev>:<folder>, and no other version',
    });
  }
  const id = await resolveId(repo, adapter.revision);
  const describer = new Describer(repo);
  const title = `${await describer.name(id)}${adapter.path === undefined ? '' : `:${adapter.path}`}`;
  return {
    tip,
    others: id === tip ? [] : [id],
    base: null,
    operation: fitting(`lora/1 adapter=${title} into ${await describer.name(tip)}`),
    title: `Fold the adapter ${title} into the weights`,
    run: async (session) => {
      const ours = await repo.tree(tip);
      const page = id === tip ? ours : await repo.tree(id);
      const { changes, tensors, left } = await foldAdapter(
        repo,
        { ours, adapter: { page, path: adapter.path, title } },
        session,
        context,
      );
      return { changes, tensors: [], combined: tensors, left };
    },
  };
}
