/** `dlv keep`: removes checkpoints from the next version, except those that its rules keep. */
import { NotFoundError, UsageError } from '../../base/errors.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import { makeSnapshots } from '../../storage/repo/version/snapshots.js';
import type { OpContext } from '../context.js';
import { currentLine } from '../history/lines/lines.js';
import { fileRoles, groupSeries, readMetrics } from '../history/steps/checkpoints.js';
import { type KeptCheckpoint, type RetentionRule, retain } from '../history/steps/retention.js';
import type { Repository } from '../repository.js';
import { selectPaths } from '../worktree/operands/select-paths.js';
import { untrackFiles } from '../worktree/untrack-files.js';

export type { KeptCheckpoint } from '../history/steps/retention.js';

export interface KeepOptions extends RetentionRule {
  /** Only series with a checkpoint at, above or below these paths. */
  paths?: string[];
  model?: string;
  /** Keeps the work files. */
  cached?: boolean;
  /** Removes files whose content is in no version. */
  force?: boolean;
  /** Only says what would go. */
  dryRun?: boolean;
}

export interface KeepResult {
  model: string;
  /** Every checkpoint of the series, by series, then step. */
  checkpoints: KeptCheckpoint[];
  /** Files taken out of the next version. */
  removed: string[];
  /** True if less than half of the files stay: the commit then has to be told that this is meant. */
  removesMost: boolean;
  dryRun: boolean;
}

/**
 * Applies a rule to each series of checkpoints that is tracked. Versions that are committed keep all.
 * @throws {UsageError} for a rule that says nothing; {NotFoundError} if there is no series or metric;
 *   {ConflictError} if content would be lost.
 */
export async function keep(
  repo: Repository,
  options: KeepOptions,
  context: OpContext,
): Promise<KeepResult> {
  checkRule(options);
  const { staging, writtenNs } = await readStaging(repo.layout);
  const line = await currentLine(repo, staging, options.model);
  const entries = staging.entries(line.model);
  const all = groupSeries(entries);
  const wanted =
    options.paths === undefined || options.paths.length === 0
      ? null
      : selectPaths(
          { layout: repo.layout, cwd: context.cwd },
          options.paths,
          all.flatMap(({ checkpoints }) => checkpoints.flatMap(({ files }) => files.map(pathOf))),
          `the checkpoints of '${line.model}'`,
        );
  const series = all.filter(({ checkpoints }) =>
    checkpoints.some(({ files }) => wanted === null || files.some(({ path }) => wanted.has(path))),
  );
  if (series.length === 0) {
    throw new NotFoundError(`'${line.model}' tracks no series of checkpoints`, {
      kind: 'series',
      name: line.model,
      hint: 'folders or files with a step in their name are one: checkpoint-500, step_20',
    });
  }
  const metrics = line.tip === null ? [] : (await repo.version(line.tip)).metrics;
  await readMetrics(repo, series, metrics, context);
  const roles = fileRoles(entries, makeSnapshots(entries));
  const verdicts = series.flatMap((one) => retain(one, options, roles));
  const drop = verdicts.flatMap((verdict) => verdict.drop);
  const isDry = options.dryRun === true;
  const removed = isDry
    ? drop.map(({ path }) => path)
    : await untrackFiles(repo, { line, writtenNs }, drop as StagedEntry[], { ...options, context });
  return {
    model: line.model,
    checkpoints: verdicts.map(({ checkpoint }) => checkpoint),
    removed,
    removesMost: (entries.length - drop.length) * 2 < entries.length,
    dryRun: isDry,
  };
}

function pathOf({ path }: { path: string }): string {
  return path;
}

function checkRule({ best, by, last, state }: RetentionRule): void {
  if (best === undefined && last === undefined && state === undefined) {
    throw new UsageError('what is to be kept is not said', {
      hint: 'for example --best 1 --by eval_loss --last 2 --optimizer 1',
    });
  }
  if (best !== undefined && by === undefined) {
    throw new UsageError('--best needs a metric', { hint: 'name a metric: --by eval_loss' });
  }
  if ((best ?? 1) + (last ?? 0) === 0 || (best === undefined && last === 0)) {
    throw new UsageError('these rules keep no checkpoint', { hint: "'dlv rm -r' removes folders" });
  }
}
