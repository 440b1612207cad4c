/**
 * What a merge would do: by files and tensors, by arithmetic on weights, or of an adapter. Nothing is read but
 * names and ancestors until the plan is carried out.
 */
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, UsageError } from '../../base/errors.js';
import { NAME_BYTES_MAX } from '../../base/limits.js';
import type { PackSession } from '../../storage/objects/session.js';
import type { FilePage } from '../../storage/repo/version/file-page.js';
import { checkNoneInTheWay, type FileChanges } from '../checkout/change-files.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { commonAncestor } from '../history/lines/ancestry.js';
import { type Line, needTip } from '../history/lines/lines.js';
import { pageInPlaceOf } from '../history/lines/model-folder.js';
import { resolveId } from '../history/lines/resolve.js';
import { Describer } from '../history/versions.js';
import { type Choice, Choices } from './choices.js';
import { combineFiles } from './combine-files.js';
import { foldAdapter } from './fold-adapter.js';
import { type Conflict, type MergedTensors, mergeFiles } from './merge-files.js';
import { combinationOf, describeMethod, type MethodOptions, needsBase } from './method.js';
import { warnOfStaleFiles } from './stale-files.js';

/** What is merged into the current version. */
export interface WantedMerge {
  /** Versions that are merged into the current one; several only with a method. */
  revisions?: readonly string[];
  /** Arithmetic on weights instead of a merge by files and tensors. */
  combine?: MethodOptions;
  /** A LoRA adapter that is folded into the weights: a revision, and a path in it where it has several. */
  adapter?: { revision: string; path?: string };
  /** Which side conflicts are taken from; the last choice that matches holds. */
  choices?: readonly Choice[];
}

/** What a merge does to the files of the branch, and how that came about. */
export interface MergedVersion {
  changes: FileChanges;
  tensors: MergedTensors[];
  combined: number;
  left: string[];
}

/** What is merged, and how. */
export interface MergePlan {
  tip: Id;
  others: Id[];
  base: Id | null;
  operation: string | null;
  title: string;
  /** @param session  null to say only what would be done. */
  run(session: PackSession | null): Promise<MergedVersion>;
}

/** @throws {UsageError} for what cannot be merged together; {NotFoundError} {ConflictError} without a base. */
export async function planMerge(
  repo: LineAccess,
  line: Line & { branch: string },
  options: WantedMerge,
  context: OpContext,
): Promise<MergePlan> {
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
  const inPlace = (id: Id): Promise<FilePage> => pageInPlaceOf(repo, tip, id, context.signal);
  return {
    tip,
    others,
    base,
    operation: null,
    title: `Merge ${await describer.lastingName(other)} into ${line.model}/${line.branch}`,
    run: async (session) => {
      const trees = {
        base: base === null ? [] : (await inPlace(base)).files,
        ours: (await repo.tree(tip)).files,
        theirs: await inPlace(other),
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
  repo: LineAccess,
  tip: Id,
  { combine, others }: { combine: MethodOptions; others: Id[] },
  context: OpContext,
): Promise<MergePlan> {
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
  const names = await Promise.all(inputs.map((id) => describer.lastingName(id)));
  const of =
    names.length > 3
      ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
      : names.join(', ');
  const about = base === null ? '' : ` base=${await describer.lastingName(base)}`;
  const detail = `${describeMethod(combine.method, combination)}${about} of ${names.join(', ')}`;
  const inPlace = (id: Id): Promise<FilePage> => pageInPlaceOf(repo, tip, id, context.signal);
  return {
    tip,
    others,
    base,
    operation: fitting(detail),
    title: `Merge ${of} by ${combine.method}`,
    run: async (session) => {
      const pages = {
        ours: await repo.tree(tip),
        base: base === null ? null : await inPlace(base),
      };
      const trees = await Promise.all(inputs.map(inPlace));
      const { changes, tensors, left } = await combineFiles(
        repo,
        { ...pages, inputs: trees, combination },
        session,
        context,
      );
      const written = changes.target.files;
      warnOfStaleFiles({ ours: pages.ours, written, inputs: trees }, context);
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
  repo: LineAccess,
  tip: Id,
  { adapter, others }: { adapter: NonNullable<WantedMerge['adapter']>; others: readonly Id[] },
  context: OpContext,
): Promise<MergePlan> {
  if (others.length > 0) {
    throw new UsageError('an adapter is folded into the current version alone', {
      hint: 'name it with --lora <rev>:<folder>, and no other version',
    });
  }
  const id = await resolveId(repo, adapter.revision);
  const describer = new Describer(repo);
  const suffix = adapter.path === undefined ? '' : `:${adapter.path}`;
  const title = `${await describer.name(id)}${suffix}`;
  const stored = `${await describer.lastingName(id)}${suffix}`;
  return {
    tip,
    others: id === tip ? [] : [id],
    base: null,
    operation: fitting(`lora/1 adapter=${stored} into ${await describer.lastingName(tip)}`),
    title: `Fold the adapter ${stored} into the weights`,
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
