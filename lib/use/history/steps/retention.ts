/**
 * Chooses which checkpoints of a series are kept: the best by a metric and the last ones; and which
 * keep their training state.
 */
import { NotFoundError, UsageError } from '../../../base/errors.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import type { Checkpoint, FileRole, Series } from './checkpoints.js';

export interface RetentionRule {
  /** How many of the best stay. */
  best?: number;
  /** What makes one better; needed for `best`. */
  by?: string;
  /** Which values are better; default: as the name says, as 'loss' or 'accuracy'. */
  better?: 'lower' | 'higher';
  /** How many of the last stay. */
  last?: number;
  /** The state of training (optimizer, scheduler, random generators) stays for this many of the last. */
  state?: number;
}

export interface KeptCheckpoint {
  series: string;
  path: string;
  step: number;
  /** Value of the metric, or null. */
  value: number | null;
  /** 'state removed': without what training would go on from. */
  status: 'kept' | 'state removed' | 'removed';
  /** 'best' and 'last': why it stays. */
  reasons: ('best' | 'last')[];
  /** What goes. */
  files: number;
  bytes: number;
}

/** A verdict and the files that go with it. */
export interface Verdict {
  checkpoint: KeptCheckpoint;
  drop: FileEntry[];
}

/** What training goes on from, and nothing else needs. */
export const STATE_ROLES: ReadonlySet<FileRole> = new Set<FileRole>([
  'optimizer',
  'scheduler',
  'rng',
  'scaler',
]);

const LOWER = /loss|error|perplexity|ppl|(^|_)(mae|mse|rmse|wer|cer|fid|nll|bpc)(_|$)/i;
const HIGHER =
  /acc|precision|recall|score|bleu|rouge|spearman|pearson|cosine|(^|_)(f1|auc|map|iou|dice|r2|ndcg|mrr)(_|$)/i;

/** Says of each checkpoint whether it stays. @throws {UsageError} {NotFoundError} */
export function retain(
  series: Series,
  rule: RetentionRule,
  roles: ReadonlyMap<string, FileRole>,
): Verdict[] {
  const { checkpoints } = series;
  const reasons = new Map<Checkpoint, KeptCheckpoint['reasons']>();
  const keep = (chosen: readonly Checkpoint[], reason: 'best' | 'last'): void => {
    for (const checkpoint of chosen) {
      reasons.set(checkpoint, [...(reasons.get(checkpoint) ?? []), reason]);
    }
  };
  const values = valuesOf(series, rule);
  if (rule.best !== undefined) keep(bestOf(checkpoints, values, rule), 'best');
  if (rule.last !== undefined)
    keep(checkpoints.slice(checkpoints.length - Math.min(rule.last, checkpoints.length)), 'last');
  // A rule about state alone removes no checkpoint.
  const isForAll = rule.best === undefined && rule.last === undefined;
  const kept = checkpoints.filter((checkpoint) => isForAll || reasons.has(checkpoint));
  const withState = new Set(
    kept.slice(kept.length - Math.min(rule.state ?? kept.length, kept.length)),
  );
  const isKept = new Set(kept);
  return checkpoints.map((checkpoint): Verdict => {
    const state = checkpoint.files.filter(({ path }) =>
      STATE_ROLES.has(roles.get(path) ?? 'other'),
    );
    const isWhole = withState.has(checkpoint) || state.length === checkpoint.files.length;
    const drop = !isKept.has(checkpoint) ? checkpoint.files : isWhole ? [] : state;
    const status = !isKept.has(checkpoint) ? 'removed' : drop.length > 0 ? 'state removed' : 'kept';
    return {
      checkpoint: {
        series: series.name,
        path: checkpoint.path,
        step: checkpoint.step,
        value: values.get(checkpoint) ?? null,
        status,
        reasons: reasons.get(checkpoint) ?? [],
        files: drop.length,
        bytes: drop.reduce((sum, { size }) => sum + size, 0),
      },
      drop,
    };
  });
}

/** The metric of each checkpoint that has it; 'loss' also means 'eval_loss', as for trainers. */
function valuesOf(
  { name, checkpoints }: Series,
  { best, by }: RetentionRule,
): Map<Checkpoint, number> {
  const values = new Map<Checkpoint, number>();
  if (by === undefined) return values;
  const names = checkpoints.some(({ metrics }) => metrics.has(by)) ? [by] : [`eval_${by}`];
  for (const checkpoint of checkpoints) {
    const value = checkpoint.metrics.get(names[0] as string);
    if (value !== undefined && !Number.isNaN(value)) values.set(checkpoint, value);
  }
  if (values.size > 0 || best === undefined) return values;
  const known = [...new Set(checkpoints.flatMap(({ metrics }) => [...metrics.keys()]))].sort();
  throw new NotFoundError(`no checkpoint of '${name}' has the metric '${by}'`, {
    kind: 'metric',
    name: by,
    candidates: known,
    hint:
      known.length > 0
        ? `there are ${known.join(', ')}`
        : "commit metrics with their steps, as in '--metric eval_loss@500=0.25'",
  });
}

function bestOf(
  checkpoints: readonly Checkpoint[],
  values: ReadonlyMap<Checkpoint, number>,
  { best, by, better }: RetentionRule,
): Checkpoint[] {
  const sign = direction(by, better) === 'lower' ? 1 : -1;
  // The sort is stable: of equal ones the earlier stays, as trainers choose.
  return checkpoints
    .filter((checkpoint) => values.has(checkpoint))
    .sort((a, b) => sign * ((values.get(a) as number) - (values.get(b) as number)))
    .slice(0, best);
}

function direction(by: string | undefined, better: RetentionRule['better']): 'lower' | 'higher' {
  if (better !== undefined) return better;
  if (by !== undefined && LOWER.test(by) !== HIGHER.test(by))
    return LOWER.test(by) ? 'lower' : 'higher';
  throw new UsageError(
    by === undefined ? '--best needs a metric' : `whether more of '${by}' is better is not said`,
    { hint: by === undefined ? 'name a metric: --by eval_loss' : 'add --lower or --higher' },
  );
}
