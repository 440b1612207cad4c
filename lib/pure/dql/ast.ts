/**
 * What a DQL statement says, as the parser reads it; docs/dql.md has its meaning. Every part knows where
 * it stands, so that whoever finds it wrong later can say so.
 */

/** A place in the text: offsets of UTF-16 units, from 0; `to` is behind its last character. */
export interface Span {
  from: number;
  to: number;
}

interface Placed {
  span: Span;
}

export type Statement = (Select | Slice | Construct | Evaluate) & {
  /** Asks also how it is carried out. */
  explain?: boolean;
};

/** A variable that stands for versions, and which versions those are. */
export interface Source extends Placed {
  variable: string;
  from:
    | { kind: 'all' }
    /** A query that the repository keeps under this name. */
    | { kind: 'named'; name: string }
    | { kind: 'query'; query: Statement };
}

/** Something that a select shows. */
export interface SelectItem extends Placed {
  value: Value;
  /** What the column is called; null: as it is written. */
  name: string | null;
  /** The name stands without 'as'. */
  isBare: boolean;
}

export interface SortKey extends Placed {
  value: Value;
  descending: boolean;
}

export interface Select extends Placed {
  kind: 'select';
  distinct: boolean;
  items: SelectItem[];
  sources: Source[];
  where: Condition | null;
  group: Value[];
  having: Condition | null;
  order: SortKey[];
  limit: number | null;
  offset: number;
}

/** The part of a network between two sets of layers. */
export interface Slice extends Placed {
  kind: 'slice';
  variable: string;
  source: Source;
  where: Condition | null;
  input: Selector;
  output: Selector;
}

export interface Construct extends Placed {
  kind: 'construct';
  variable: string;
  /** null: the network is made of `chain` alone. */
  source: Source | null;
  where: Condition | null;
  mutations: Mutation[];
  /** Layers of a network that comes from no other, the input first. */
  chain: Template[];
  /** Of the initial values of new weights; null: 0. */
  seed: number | null;
}

/** A change of a network. */
export interface Mutation extends Placed {
  kind: 'insert' | 'delete' | 'replace';
  at: Selector;
  /** What is put in, one layer behind the other; empty for delete. */
  chain: Template[];
  /** Which of the layers right behind are deleted; null: those of `at` themselves. */
  template: Template | null;
}

export interface Evaluate extends Placed {
  kind: 'evaluate';
  variable: string;
  source: Source;
  /** Path of the file of the configuration. */
  config: string;
  vary: Axis[];
  keep: Rule[];
  using: SearchOptions;
}

/** Part of a path into the configuration: a name, or a pattern for names of layers. */
export interface ConfigPart {
  kind: 'name' | 'pattern';
  text: string;
}

export interface Axis extends Placed {
  path: ConfigPart[];
  values:
    | { kind: 'list'; values: Scalar[] }
    | { kind: 'range'; low: number; high: number; log: boolean; step: number | null }
    | { kind: 'auto'; low: number | null; high: number | null; log: boolean };
}

export type Rule = Placed &
  (
    | { kind: 'top'; count: number; metric: Value; iterations: number | null }
    | { kind: 'threshold'; metric: Value; comparison: Comparison; bound: number; after: number }
  );

export interface SearchOptions {
  method: 'grid' | 'random' | 'tpe' | 'halving' | null;
  seed: number | null;
  trials: number | null;
  /** A trial goes on from a rule at once, by what it knows then, and waits for no other. */
  isAsync: boolean;
  /** What was said twice, which is an error; null: nothing. */
  twice: 'method' | 'seed' | 'trials' | 'isAsync' | null;
}

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';
export type Scalar = null | boolean | number | string;

export type Value = Placed &
  (
    | { kind: 'literal'; value: Scalar }
    /** A variable alone: the version it stands for. */
    | { kind: 'variable'; variable: string }
    /** m.metrics.acc; `variable` is null where it is left out. */
    | { kind: 'attribute'; variable: string | null; path: string[] }
    /** m["loss"]: a metric; of a selector, the layers. */
    | { kind: 'selector'; selector: Selector }
    /** m["conv1"].kernel */
    | { kind: 'layer-attribute'; selector: Selector; name: string }
    | { kind: 'call'; name: string; arguments: Value[]; star: boolean; distinct: boolean }
    | { kind: 'arithmetic'; operator: '+' | '-' | '*' | '/'; left: Value; right: Value }
    | { kind: 'negative'; value: Value }
    | { kind: 'subquery'; query: Statement }
  );

/** A set of layers: those that a pattern names, then walks from them. */
export interface Selector extends Placed {
  variable: string;
  pattern: string;
  /** Where the pattern stands, with its quotes. */
  patternSpan: Span;
  steps: Step[];
}

export type Step = Placed &
  (
    | { kind: 'walk'; relation: 'next' | 'prev' | 'succ' | 'pred'; least: number; most: number }
    /** Layers on the ways to others. */
    | { kind: 'path'; pattern: string }
    /** Activations or norms that `next` passes over behind a layer. */
    | { kind: 'passed'; what: 'act' | 'norm' }
  );

/** A kind of layer with attributes: POOL("MAX", kernel = 2). */
export interface Template extends Placed {
  name: string;
  arguments: { name: string | null; value: Scalar | Scalar[]; span: Span }[];
}

export type Relation = 'derived from' | 'ancestor of' | 'child of' | 'parent of';

export type Condition = Placed &
  (
    | { kind: 'and' | 'or'; items: Condition[] }
    | { kind: 'not'; item: Condition }
    | { kind: 'compare'; comparison: Comparison; left: Value; right: Value }
    | { kind: 'like' | 'match'; value: Value; pattern: string; ignoreCase: boolean }
    | { kind: 'in'; value: Value; items: Value[] }
    | { kind: 'in-query'; value: Value; query: Statement }
    | { kind: 'in-named'; value: Value; name: string }
    | { kind: 'between'; value: Value; low: Value; high: Value }
    | { kind: 'null'; value: Value }
    | { kind: 'truth'; value: Value }
    | { kind: 'has'; selector: Selector; quantifier: 'any' | 'all'; template: Template }
    | { kind: 'exists'; selector: Selector }
    | { kind: 'lineage'; variable: string; relation: Relation; other: LineageEnd }
  );

/** The other end of a line: a variable, or a revision. */
export type LineageEnd = Placed &
  ({ kind: 'variable'; name: string } | { kind: 'revision'; text: string });
