/**
 * Names of columns: which of them a name means, however it is written. Knows no values, so that a page can ask
 * it about columns that it was only told the names of.
 */
import { closestNames } from '../../../base/bytes/words/closest.js';
import { NotFoundError, UsageError } from '../../../base/errors.js';

const ATTRIBUTE_NAMES: readonly string[] =
  'version name model number message author email time step files bytes parents refs branch operation parameters macs layers'.split(
    ' ',
  );
const SPACE_NAMES = ['metrics', 'params', 'env', 'data', 'eval'] as const;
export type Space = (typeof SPACE_NAMES)[number];
/** Attributes that give way to what people call so themselves. */
const YIELDING = new Set(['parameters', 'macs', 'layers', 'branch']);
const ALIASES: Readonly<Record<string, string>> = {
  id: 'version',
  date: 'time',
  created: 'time',
  creation_time: 'time',
  size: 'bytes',
  tags: 'refs',
  branches: 'refs',
};
const SPACES: Readonly<Record<string, Space>> = {
  metrics: 'metrics',
  metric: 'metrics',
  params: 'params',
  param: 'params',
  env: 'env',
  environment: 'env',
  data: 'data',
  eval: 'eval',
  evals: 'eval',
  evaluation: 'eval',
  evaluations: 'eval',
};
const FUNCTIONS = ['best', 'best_step', 'last', 'last_step', 'min', 'max', 'count'] as const;
export type Fn = (typeof FUNCTIONS)[number];
/** Other words for them, which DQL has. */
const FUNCTION_ALIASES: Readonly<Record<string, Fn>> = {
  lowest: 'min',
  highest: 'max',
  points: 'count',
};
/** Metrics that notes of `dlv eval` have. */
const EVALUATED = new Set('accuracy loss perplexity ece mae rmse top5 bits-per-byte'.split(' '));
/** Columns that an error names. */
const NAMED_MAX = 40;

/** The space that a prefix of a name means. */
export function spaceOf(prefix: string): Space | undefined {
  return Object.hasOwn(SPACES, prefix) ? SPACES[prefix] : undefined;
}

/** What is asked of a column, in one spelling. @throws {UsageError} */
export function columnFunction(called: string, name: string): Fn {
  const fn = Object.hasOwn(FUNCTION_ALIASES, called) ? FUNCTION_ALIASES[called] : called;
  const found = FUNCTIONS.find((one) => one === fn);
  if (found !== undefined) return found;
  throw new UsageError(`there is no function '${fn}' of a column`, {
    column: name,
    hint: `there are ${FUNCTIONS.join(', ')}`,
  });
}

export class ColumnNames {
  readonly #names: Record<Space, Set<string>> = {
    metrics: new Set(),
    params: new Set(),
    env: new Set(),
    data: new Set(),
    eval: new Set(),
  };

  add(space: Space, name: string): void {
    this.#names[space].add(name);
  }

  /** Names in a space, sorted. */
  of(space: Space): string[] {
    return [...this.#names[space]].sort();
  }

  /** Every name that a column goes by: attributes, then 'metrics.acc', 'params.lr' and others. */
  all(): string[] {
    const spaces = SPACE_NAMES.flatMap((space) => this.of(space).map((name) => `${space}.${name}`));
    return [...ATTRIBUTE_NAMES, ...spaces];
  }

  /** Which space a name is in, and its name there; null for an attribute. */
  place(name: string): [Space | null, string] {
    const dot = name.indexOf('.');
    const prefix = dot < 0 ? '' : name.slice(0, dot).toLowerCase();
    if (Object.hasOwn(SPACES, prefix)) {
      const space = SPACES[prefix] as Space;
      const own = name.slice(dot + 1);
      // A log may call a metric 'eval.loss' itself.
      if (space === 'eval' && !this.#names.eval.has(own) && this.#names.metrics.has(name)) {
        return ['metrics', name];
      }
      if (!this.#names[space].has(own)) throw this.#unknown(name, `${space}.${own}`);
      return [space, own];
    }
    const lower = name.toLowerCase();
    const attribute = Object.hasOwn(ALIASES, lower) ? (ALIASES[lower] as string) : lower;
    const spaces = SPACE_NAMES.filter((space) => this.#names[space].has(name));
    // What people call a number of layers themselves comes before that of the network.
    const isTheirs = YIELDING.has(attribute) && spaces.length > 0;
    if (ATTRIBUTE_NAMES.includes(attribute) && !isTheirs) return [null, attribute];
    const [only, ...others] = spaces;
    if (only === undefined) throw this.#unknown(name, name);
    if (others.length === 0) return [only, name];
    throw new UsageError(
      `the column '${name}' may be ${spaces.map((s) => `${s}.${name}`).join(' or ')}`,
      {
        column: name,
        hint: 'write which of them is meant',
      },
    );
  }

  #unknown(name: string, full: string): NotFoundError {
    const all = [
      ...SPACE_NAMES.flatMap((space) =>
        this.of(space).flatMap((own) => [`${space}.${own}`, ...(full.includes('.') ? [] : [own])]),
      ),
      ...ATTRIBUTE_NAMES,
    ];
    const near = closestNames(full, all);
    const own = full.slice(full.indexOf('.') + 1);
    const isEvaluated = !/^eval\./.test(full) && EVALUATED.has(own);
    const evaluated = isEvaluated ? `; numbers of 'dlv eval' are eval.${own}` : '';
    return new NotFoundError(`no version has the column '${name}'`, {
      kind: 'column',
      name,
      candidates: near,
      hint:
        (near.length > 0
          ? `did you mean ${near.join(' or ')}?`
          : `there are ${all.slice(0, NAMED_MAX).join(', ')}${all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : ''}`) +
        evaluated,
    });
  }
}
