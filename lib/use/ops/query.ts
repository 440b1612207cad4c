/** `dlv query`: asks for models in DQL. @see docs/dql.md */

import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import type { Select, Statement } from '../../pure/dql/ast.js';
import { parseStatement, queryError } from '../../pure/dql/parse.js';
import { type ConditionReport, QueryRunner } from '../../pure/dql/select.js';
import type { Value } from '../../pure/where/condition.js';
import { changeQueries, readQueries, readQuery } from '../../storage/repo/queries.js';
import { checkModelName } from '../../storage/repo/refs/ref-name.js';
import { innerStatement, runStatement } from '../construction/run-statement.js';
import type { OpContext } from '../context.js';
import { evaluatedReader } from '../evaluation/evaluated-reader.js';
import { mentionsNetworks } from '../history/table/network-sizes.js';
import { mentionsBranches, readRows } from '../history/table/version-rows.js';
import { type MetricValue, metricValue } from '../history/version-values.js';
import { RepositoryHost } from '../query/repository-host.js';
import type { Repository } from '../repository.js';

/** A version that a row is made of. */
export interface QueryVersion {
  variable: string;
  version: Id;
  name: string;
}

export interface QueryResultRow {
  /** A value for each column; a version is its name. */
  values: (Value | MetricValue)[];
  /** None of a row that stands for a group. */
  versions: QueryVersion[];
}

export interface QueryResult {
  columns: { name: string; kind: 'version' | 'time' | 'value' }[];
  rows: QueryResultRow[];
  /** Versions that were looked at, and rows that fitted before the limit. */
  looked: number;
  fit: number;
  /** What each condition did, in the order in which they were asked. */
  conditions: ConditionReport[];
  /** True if the query begins with 'explain'. */
  explain: boolean;
  /** What the query says and surely does not mean. */
  hints: string[];
}

/** What a statement is. @throws {UsageError} for one that cannot be read */
export function statementKind(text: string): 'select' | 'slice' | 'construct' | 'evaluate' {
  return parseStatement(text).kind;
}

/** Runs a query. @throws {UsageError} {NotFoundError} with line and column */
export async function query(
  repo: Repository,
  text: string,
  context: OpContext,
): Promise<QueryResult> {
  const statement = parseStatement(text);
  if (statement.kind !== 'select') {
    throw new UsageError(`a select is asked, and '${statement.kind}' makes new models`, {
      hint:
        statement.kind === 'evaluate' ? 'carry it out with study' : 'carry it out with construct',
    });
  }
  const made = await makeSources(repo, text, statement, context);
  const { rows } = await readRows(
    repo,
    {
      networks: mentionsNetworks([text]),
      branches: mentionsBranches([text]),
      evaluated: evaluatedReader(repo, [text], context),
    },
    context.signal,
  );
  const host = new RepositoryHost(repo, rows, context);
  const runner = new QueryRunner(host, { signal: context.signal, made });
  const {
    columns,
    rows: found,
    variables,
    looked,
    fit,
    conditions,
    hints,
  } = await runner.select(text, statement);
  const names = new Map(rows.map(({ id, name }) => [id as string, name]));
  return {
    columns: columns.map(({ name, isVersion, isTime }) => ({
      name,
      kind: isVersion ? ('version' as const) : isTime ? ('time' as const) : ('value' as const),
    })),
    rows: found.map(({ cells, versions }) => ({
      values: cells.map((cell, i) => {
        if (columns[i]?.isVersion) return names.get(cell as string) ?? cell;
        return typeof cell === 'number' ? metricValue(cell) : cell;
      }),
      versions: versions.map(({ id, name }, i) => ({
        variable: variables[i] as string,
        version: id,
        name,
      })),
    })),
    looked,
    fit,
    conditions,
    explain: statement.explain === true,
    hints,
  };
}

/** Carries out the slices and constructs that are sources of a select. @returns the versions of each */
async function makeSources(
  repo: Repository,
  text: string,
  statement: Select & Statement,
  context: OpContext,
): Promise<Map<Statement, ReadonlySet<string>>> {
  const made = new Map<Statement, ReadonlySet<string>>();
  const make = async (select: Select): Promise<void> => {
    for (const { from } of select.sources) {
      if (from.kind !== 'query') continue;
      const inner = from.query;
      if (inner.kind === 'select') await make(inner);
      if (inner.kind !== 'slice' && inner.kind !== 'construct') continue;
      if (statement.explain) {
        throw queryError(
          text,
          inner.span,
          `'explain' makes nothing, and this ${inner.kind} would have to be carried out`,
          `ask it alone: explain ${inner.kind} …`,
        );
      }
      const evaluated = evaluatedReader(repo, [text], context);
      const { rows } = await readRows(repo, { evaluated }, context.signal);
      const host = new RepositoryHost(repo, rows, context);
      const asked = innerStatement(host, text, inner);
      const { versions } = await runStatement(repo, asked, {}, context);
      made.set(inner, new Set(versions.flatMap(({ version }) => version ?? [])));
    }
  };
  await make(statement);
  return made;
}

/** A query that the repository keeps. */
export interface NamedQuery {
  name: string;
  query: string;
}

/** The queries that are kept, by name. */
export async function listQueries(repo: Repository): Promise<NamedQuery[]> {
  return [...(await readQueries(repo.layout))].map(([name, text]) => ({ name, query: text }));
}

/** Keeps a query, in place of one that has the name. @throws {UsageError} for one that cannot be read */
export async function saveQuery(repo: Repository, name: string, text: string): Promise<NamedQuery> {
  checkModelName(name, 'query');
  parseStatement(text);
  await repo.locked((lock) => changeQueries(lock, (queries) => queries.set(name, text)));
  return { name, query: text };
}

/** The text of a query that is kept. @throws {NotFoundError} */
export async function namedQuery(repo: Repository, name: string): Promise<NamedQuery> {
  return { name, query: await readQuery(repo.layout, name) };
}

/** Forgets a query that is kept. @throws {NotFoundError} */
export async function deleteQuery(repo: Repository, name: string): Promise<NamedQuery> {
  const found = await namedQuery(repo, name);
  await repo.locked((lock) => changeQueries(lock, (queries) => queries.delete(name)));
  return found;
}
