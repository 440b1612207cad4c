/** What the user decided for conflicts: which side, by path or by tensor. */
import { UsageError } from '../../base/errors.js';
import { Glob } from '../../pure/paths/glob.js';

export type Side = 'ours' | 'theirs';

/** A decision for what a pattern matches: `<path glob>`, or `<path glob>#<tensor glob>`; the path may be left out. */
export interface Choice {
  side: Side;
  pattern: string;
}

interface Rule {
  side: Side;
  path: Glob | null;
  tensor: Glob | null;
}

/** Decisions in the order given: the last one that matches holds. */
export class Choices {
  readonly #rules: readonly Rule[];

  constructor(choices: readonly Choice[]) {
    this.#rules = choices.map(parseRule);
  }

  /** The side that a whole file is taken from, or null if nothing was decided. */
  ofFile(path: string): Side | null {
    const rule = this.#rules.findLast(({ path: glob, tensor }) => {
      return tensor === null && (glob === null || glob.matches(path));
    });
    return rule?.side ?? null;
  }

  ofTensor(path: string, name: string): Side | null {
    const rule = this.#rules.findLast(({ path: glob, tensor }) => {
      return (glob === null || glob.matches(path)) && (tensor === null || tensor.matches(name));
    });
    return rule?.side ?? null;
  }
}

function parseRule({ side, pattern }: Choice): Rule {
  const at = pattern.indexOf('#');
  const place = at < 0 ? pattern : pattern.slice(0, at);
  const name = at < 0 ? null : pattern.slice(at + 1);
  if (pattern === '' || name === '') {
    throw new UsageError(`--${side} '${pattern}' names nothing`, {
      hint: `write a glob of paths, or '<path>#<tensor>': --${side} '**' takes everything`,
    });
  }
  const glob = (text: string): Glob => new Glob(text, { braces: true });
  // As in git, a star alone is everything.
  const isAll = place === '' || place === '*' || place === '**';
  return { side, path: isAll ? null : glob(place), tensor: name === null ? null : glob(name) };
}
