/**
 * `.dlv/queries`: queries that the repository keeps under names.
 *
 * Commands write it, under the lock; people read it with `dlv query --list`. @see docs/format/layout.md
 */

import { linesOf } from '../../base/bytes/lines.js';
import { sealReadable, unseal } from '../../base/bytes/sealed.js';
import { suggestNames } from '../../base/bytes/words/closest.js';
import { CorruptError, NotFoundError } from '../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from './layout.js';
import type { RepositoryLock } from './processes/lock.js';
import { modelNameProblem } from './refs/ref-name.js';

/** Texts of queries, by name. */
export type NamedQueries = Map<string, string>;

const FIRST_LINE = 'queries 1';
/** What helps where the file is damaged: nothing else holds what was in it. */
const REMEDY = "remove it, then keep the queries again with 'dlv query --save <name>'";
const LEAST_CHARS = 'query a ""'.length;

/** Text of the file before its checksum line: a line each, the query as a JSON text. */
export function formatQueries(queries: ReadonlyMap<string, string>): string {
  const rows = [...queries].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${[FIRST_LINE, ...rows.map(([name, text]) => `query ${name} ${JSON.stringify(text)}`)].join('\n')}\n`;
}

/** The mirror of formatQueries. @throws {CorruptError} */
export function parseQueries(text: string, file: string): NamedQueries {
  const queries: NamedQueries = new Map();
  for (const line of (linesOf(text, LEAST_CHARS) ?? []).slice(1)) {
    const [, name = '', quoted = ''] = /^query (\S+) (".*")$/.exec(line) ?? [];
    const query = name === '' || modelNameProblem(name) !== null ? null : parseText(quoted);
    if (query !== null) queries.set(name, query);
  }
  if (formatQueries(queries) === text) return queries;
  throw new CorruptError(`'${file}' is damaged: the queries cannot be read from it`, {
    file,
    hint: REMEDY,
  });
}

function parseText(quoted: string): string | null {
  try {
    const text: unknown = JSON.parse(quoted);
    return typeof text === 'string' ? text : null;
  } catch {
    // No JSON: the file is damaged, which the comparison above tells.
    return null;
  }
}

/** All queries; none if none was ever kept. @throws {CorruptError} */
export async function readQueries({ queries: file }: Layout): Promise<NamedQueries> {
  try {
    return parseQueries(unseal(await readSmallFile(file, STATE_FILE_BYTES_MAX), file), file);
  } catch (error) {
    if (error instanceof CorruptError) error.data.hint = REMEDY;
    if (!isMissing(error)) throw error;
    return new Map();
  }
}

/** The text of one query. @throws {NotFoundError} that names near ones */
export async function readQuery(layout: Layout, name: string): Promise<string> {
  const queries = await readQueries(layout);
  const found = queries.get(name);
  if (found !== undefined) return found;
  throw new NotFoundError(`there is no query '${name}'`, {
    kind: 'query',
    name,
    ...suggestNames(name, queries.keys(), "'dlv query --list' shows the queries that are kept"),
  });
}

/** Changes the file under the lock; it is on the disk when this returns. */
export async function changeQueries(
  lock: RepositoryLock,
  change: (queries: NamedQueries) => void,
): Promise<void> {
  lock.assertHeld();
  const file = lock.layout.queries;
  const queries = await readQueries(lock.layout);
  const before = formatQueries(queries);
  change(queries);
  const after = formatQueries(queries);
  if (after !== before) await writeFileAtomic(file, sealReadable(after, file, parseQueries));
}
