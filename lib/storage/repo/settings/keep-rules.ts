/**
 * Rules for which versions are kept, as text: `last 5, best 3 by eval_loss, every 1000, optimizer 2`. What any of
 * them selects is kept. The setting `keep.versions` has rules for models: `bert: last 5; *: last 20`.
 * @see docs/keep.md
 */

/** Some of the best by a metric. */
export interface BestRule {
  count: number;
  metric: string;
  /** Which values are better; null: as the metric was declared, or its name says. */
  better: 'lower' | 'higher' | null;
}

/** Which versions of a model are kept. What is left out selects nothing. */
export interface KeepRules {
  /** The newest. */
  last?: number;
  best?: BestRule[];
  /** The first at or after each multiple of so many steps. */
  every?: number;
  /** Those made within so many days. */
  within?: number;
  /** The newest of each of the last so many days, weeks, months (UTC) that have one. */
  daily?: number;
  weekly?: number;
  monthly?: number;
  /** All of the lines of branches whose names match. */
  branches?: string[];
  /** Training state (optimizer, scheduler, random generators) stays with so many of the newest kept. */
  optimizer?: number;
}

/** Rules and the models that they are for. */
export interface ModelRules {
  /** Glob over names of models. */
  model: string;
  rules: KeepRules;
}

export const KEEP_RULES_FORM =
  "rules such as 'last 5, best 3 by eval_loss, every 1000, optimizer 2'";

const COUNT =
  /^(last|every|within|daily|weekly|monthly|optimizer) (\d{1,9})( ?(?:d|days?|steps?))?$/;
const BEST = /^best (\d{1,9}) by (\S+)(?: (lower|higher))?$/;
const BRANCHES = /^branches (\S+)$/;
type Counted = 'last' | 'every' | 'within' | 'daily' | 'weekly' | 'monthly' | 'optimizer';

/** Reads rules; null for text that is none. */
export function parseKeepRules(text: string): KeepRules | null {
  const rules: KeepRules = {};
  for (const part of text.split(',')) {
    if (!addRule(rules, part.trim().replace(/\s+/g, ' '))) return null;
  }
  return rules;
}

function addRule(rules: KeepRules, text: string): boolean {
  const best = BEST.exec(text);
  if (best !== null) {
    const [, count, metric, better = null] = best;
    const rule = {
      count: Number(count),
      metric: metric as string,
      better: better as 'lower' | null,
    };
    rules.best = [...(rules.best ?? []), rule];
    return rule.count > 0;
  }
  const branches = BRANCHES.exec(text);
  if (branches !== null) {
    rules.branches = [...(rules.branches ?? []), branches[1] as string];
    return true;
  }
  const [, word, digits, unit = ''] = COUNT.exec(text) ?? [];
  if (word === undefined) return false;
  const name = word as Counted;
  if (rules[name] !== undefined) return false;
  const isOfDays = /d/.test(unit);
  if (unit !== '' && isOfDays !== (name === 'within')) return false;
  if (unit !== '' && !isOfDays && name !== 'every') return false;
  rules[name] = Number(digits);
  return rules[name] > 0 || name === 'optimizer';
}

/** The same text for the same rules. */
export function formatKeepRules(rules: KeepRules): string {
  const {
    last,
    best = [],
    every,
    within,
    daily,
    weekly,
    monthly,
    branches = [],
    optimizer,
  } = rules;
  const parts: (string | null)[] = [
    last === undefined ? null : `last ${last}`,
    ...best.map(({ count, metric, better }) => {
      return `best ${count} by ${metric}${better === null ? '' : ` ${better}`}`;
    }),
    every === undefined ? null : `every ${every}`,
    within === undefined ? null : `within ${within} days`,
    daily === undefined ? null : `daily ${daily}`,
    weekly === undefined ? null : `weekly ${weekly}`,
    monthly === undefined ? null : `monthly ${monthly}`,
    ...branches.map((glob) => `branches ${glob}`),
    optimizer === undefined ? null : `optimizer ${optimizer}`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

/** True if rules say which versions stay; else all do, and only training state goes. */
export function selectsVersions({ optimizer: _, ...rules }: KeepRules): boolean {
  return Object.keys(rules).length > 0;
}

/** Reads `<rules>` for all models, or `<model>: <rules>; <model>: <rules>`; null for text that is neither. */
export function parseModelRules(text: string): ModelRules[] | null {
  const found: ModelRules[] = [];
  for (const part of text.split(';')) {
    const [, model = '*', own = ''] = /^(?:([^:]+):)?(.*)$/s.exec(part) ?? [];
    const rules = parseKeepRules(own);
    if (rules === null || model.trim() === '') return null;
    found.push({ model: model.trim(), rules });
  }
  return found;
}
