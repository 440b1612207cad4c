/**
 * Runs a select: conditions on one variable first, those that need no network before those that do, then
 * the joins, then groups, order and limit. Networks and curves are loaded for the versions alone that are left by then.
 */
import { pushAll } from '../../base/bytes/many.js';
import type { Value as CellValue } from '../where/condition.js';
import type { Condition, Select, Source, Span, Statement, Value } from './ast.js';
import { captureNumbers, compileCapturing } from './conditions/capturing.js';
import type { ConditionContext } from './conditions/conditions.js';
import type { Host } from './host.js';
import type { Captures } from './layers/layer-pattern.js';
import { NO_CAPTURES } from './layers/layer-sets.js';
import { Output, type QueryColumn, type QueryRow, type Reads } from './output.js';
import { parseStatement, queryError } from './parse.js';
import { conditionsIn, operandsOf, Scope, sourcesOf, valuesIn } from './scope.js';
import { type ConditionReport, conjunctsOf, planStep } from './steps.js';
import { type LoadOptions, TupleFinder } from './tuples.js';
import type { Subresults } from './values.js';

export type { QueryColumn, QueryRow } from './output.js';
export type { ConditionReport } from './steps.js';

export interface QueryAnswer<R> {
  /** Variables, by their places in the versions of a row. */
  variables: string[];
  columns: QueryColumn[];
  rows: QueryRow<R>[];
  /** Versions that were looked at, and rows that fitted before the limit. */
  looked: number;
  fit: number;
  conditions: ConditionReport[];
  hints: string[];
}

/** Versions that a condition lets through, and the bindings with which it does. */
export interface BoundVersions<R> {
  scope: Scope;
  versions: { row: R; bindings: Captures[] }[];
  looked: number;
  hints: string[];
}

export interface QueryOptions extends LoadOptions {
  /** Ids of the versions that slices and constructs among the sources have made. */
  made?: ReadonlyMap<Statement, ReadonlySet<string>>;
}

/** Values of an answer: rows times columns. */
const CELLS_MAX = 2_000_000;
/** Queries inside queries. */
const DEPTH_MAX = 16;
/** Runs selects against one host. */
export class QueryRunner<R> {
  readonly #host: Host<R>;
  readonly #options: QueryOptions;
  /** Names of queries that are being run: one that names itself would never end. */
  readonly #names: string[] = [];
  readonly #tuples: TupleFinder<R>;
  /** Hints of all queries, those inside others included. */
  readonly #hints = new Set<string>();
  #depth = 0;

  constructor(host: Host<R>, options: QueryOptions = {}) {
    this.#host = host;
    this.#options = options;
    this.#tuples = new TupleFinder(host, options, (hint) => this.#hints.add(hint));
  }

  /** @throws {UsageError} {NotFoundError} that say where. */
  async select(text: string, query: Select): Promise<QueryAnswer<R>> {
    if (++this.#depth > DEPTH_MAX)
      throw queryError(text, query.span, `more than ${DEPTH_MAX} queries stand in one another`);
    try {
      return await this.#select(text, query);
    } finally {
      this.#depth--;
    }
  }

  async #select(text: string, query: Select): Promise<QueryAnswer<R>> {
    const hints = this.#hints;
    const context = await this.#context(text, query);
    const { scope } = context;
    // Everything is bound before anything is read, so that a mistake in the last line costs nothing.
    const shown = new Output(query, context);
    const steps = (query.where === null ? [] : conjunctsOf(query.where)).map((one) =>
      planStep(one, context),
    );
    // What is read anyway is asked first, so that networks are read of few.
    const costs: readonly Reads[] = ['catalog', 'curves', 'networks'];
    steps.sort((a, b) => costs.indexOf(a.reads) - costs.indexOf(b.reads));
    const starts: R[][] = [];
    for (const source of scope.sources) starts.push(await this.#sourceRows(text, source));
    const looked = new Set(starts.flat()).size;
    for (const step of steps) {
      const [only, ...others] = step.places;
      if (only === undefined || others.length > 0) continue;
      starts[only] = await this.#tuples.filter(
        starts[only] as R[],
        only,
        scope.sources.length,
        step,
      );
    }
    const joining = steps.filter(({ places }) => places.length !== 1);
    const tuples = await this.#tuples.join(text, query.span, starts, joining);
    const { offset, limit } = query;
    const window = [offset, limit === null ? undefined : offset + limit] as const;
    // Rows that nothing orders or joins are made only if they are shown.
    const wanted = shown.isRowByRow ? tuples.slice(...window) : tuples;
    if (wanted.length * shown.width > CELLS_MAX && !shown.isGrouped) {
      throw queryError(
        ...[text, query.span, `its answer would have more than ${CELLS_MAX} values`],
        "ask for fewer columns, or set a 'limit'",
      );
    }
    await this.#tuples.load(wanted, shown.reads);
    const rows = shown.rows(wanted);
    return {
      variables: scope.variables,
      columns: shown.columns,
      rows: shown.isRowByRow ? rows : rows.slice(...window),
      looked,
      fit: shown.isRowByRow ? tuples.length : rows.length,
      conditions: steps.map(({ report }) => report),
      hints: [...hints],
    };
  }

  async #context(text: string, query: Select): Promise<ConditionContext<R>> {
    return {
      host: this.#host,
      scope: new Scope(text, sourcesOf(text, query)),
      subresults: await this.#subresults(text, query),
      revisions: await this.#revisions(query),
      hint: (hint) => this.#hints.add(hint),
    };
  }

  /**
   * The versions of one source that a condition lets through, each with the bindings of captures for which
   * it holds: one without any where the condition captures nothing. @throws as `select`.
   */
  async bound(
    text: string,
    { source, where, span }: { source: Source; where: Condition | null; span: Span },
  ): Promise<BoundVersions<R>> {
    const value: Value = { kind: 'variable', variable: source.variable, span: source.span };
    const query: Select = {
      ...{ kind: 'select', distinct: false, sources: [source], where, group: [], having: null },
      ...{ items: [{ value, name: null, isBare: false, span }] },
      ...{ order: [], limit: null, offset: 0, span },
    };
    const answer = await this.select(text, query);
    const context = await this.#context(text, query);
    const capturing = (where === null ? [] : conjunctsOf(where)).find(
      (one) => captureNumbers(text, one).size > 0,
    );
    const bindings = capturing === undefined ? null : compileCapturing(capturing, context).bindings;
    const versions: BoundVersions<R>['versions'] = [];
    for (const { versions: tuple } of answer.rows) {
      const [row] = tuple as [R];
      await this.#host.loadNetworks(row);
      versions.push({ row, bindings: bindings?.(tuple) ?? [NO_CAPTURES] });
    }
    return { scope: context.scope, versions, looked: answer.looked, hints: answer.hints };
  }

  /** Results of the queries inside one, by the parts that hold them. */
  async #subresults(text: string, query: Select): Promise<Subresults> {
    const found = new Map<object, readonly CellValue[]>();
    const run = async (key: object, inner: Statement, innerText: string): Promise<void> => {
      if (inner.kind !== 'select')
        throw queryError(
          innerText,
          inner.span,
          `a ${inner.kind} gives no values`,
          'ask a select here',
        );
      const { columns, rows } = await this.select(innerText, inner);
      if (columns.length !== 1 && !isWholeVersion(inner)) {
        throw queryError(
          innerText,
          inner.span,
          `it gives ${columns.length} columns where one is wanted`,
        );
      }
      found.set(
        key,
        rows.map(({ cells }) => cells[0] as CellValue),
      );
    };
    const values = [
      ...query.items.map(({ value }) => value),
      ...query.order.map(({ value }) => value),
      ...query.group,
    ];
    for (const condition of [query.where, query.having]) {
      if (condition === null) continue;
      for (const one of conditionsIn(condition)) {
        pushAll(values, operandsOf(one));
        if (one.kind === 'in-query') await run(one.query, one.query, text);
        if (one.kind === 'in-named') {
          await this.#withNamed(text, one.name, one.span, (inner, innerText) =>
            run(one, inner, innerText),
          );
        }
      }
    }
    for (const value of values.flatMap((one) => [...valuesIn(one)])) {
      if (value.kind === 'subquery') await run(value.query, value.query, text);
    }
    return found;
  }

  async #withNamed<T>(
    text: string,
    name: string,
    span: { from: number },
    use: (query: Statement, text: string) => Promise<T>,
  ): Promise<T> {
    if (this.#names.includes(name)) {
      throw queryError(
        text,
        span,
        `the query '${name}' asks itself: ${[...this.#names, name].join(' → ')}`,
      );
    }
    const inner = await this.#host.namedQuery(name);
    this.#names.push(name);
    try {
      return await use(parseStatement(inner), inner);
    } finally {
      this.#names.pop();
    }
  }

  async #revisions(query: Select): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const condition of [query.where, query.having]) {
      for (const one of condition === null ? [] : conditionsIn(condition)) {
        if (one.kind !== 'lineage' || one.other.kind !== 'revision') continue;
        found.set(one.other.text, await this.#host.resolve(one.other.text));
      }
    }
    return found;
  }

  /** The versions that a variable may stand for. */
  async #sourceRows(text: string, { from, span }: Source): Promise<R[]> {
    if (from.kind === 'all') return [...this.#host.rows];
    const versions = async (inner: Statement, innerText: string): Promise<R[]> => {
      if (inner.kind !== 'select') {
        const made = this.#options.made?.get(inner);
        if (made !== undefined)
          return this.#host.rows.filter((row) => made.has(this.#host.id(row)));
        throw queryError(
          innerText,
          inner.span,
          `a ${inner.kind} makes new models, and a select asks of those that are there`,
          'make them first, then ask',
        );
      }
      if (!isWholeVersion(inner)) {
        throw queryError(
          innerText,
          inner.span,
          'a source has to give versions',
          'select a variable first: select m from m where …',
        );
      }
      const { rows, columns } = await this.select(innerText, inner);
      const place = columns.findIndex(({ isVersion }) => isVersion);
      const wanted = new Set(rows.map(({ cells }) => cells[place]));
      return this.#host.rows.filter((row) => wanted.has(this.#host.id(row)));
    };
    return from.kind === 'query'
      ? versions(from.query, text)
      : this.#withNamed(text, from.name, span, versions);
  }
}

/** True if what it shows first is a variable: versions, which another query can go on with. */
function isWholeVersion({ items, group }: Select): boolean {
  return items[0]?.value.kind === 'variable' && group.length === 0;
}
