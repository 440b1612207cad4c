/** What the prompt of `dlv query` needs besides queries: its history, words that complete, unfinished statements. */
import { IoError, isUnreadable, UsageError } from '../../base/errors.js';
import type { QueryWords } from '../../pure/dql/complete.js';
import { templateWords } from '../../pure/dql/layers/templates.js';
import { parseStatement } from '../../pure/dql/parse.js';
import { readQueries } from '../../storage/repo/queries.js';
import { addQueryHistory, readQueryHistory } from '../../storage/repo/settings/query-history.js';
import { Columns } from '../history/table/columns.js';
import { readRows } from '../history/table/version-rows.js';
import type { Repository } from '../repository.js';

const KEYWORDS =
  'select from where group by having order limit offset and or not in like between is null has exists as asc desc distinct explain slice construct mutate seed derived ancestor child parent of count min max avg sum best lowest highest last at';
const STEPS =
  'next prev succ pred path insert replace delete input output kernel stride units channels';

/** The words of a repository. */
export async function queryWords(repo: Repository, signal?: AbortSignal): Promise<QueryWords> {
  const { rows } = await readRows(repo, {}, signal);
  const named = await readQueries(repo.layout);
  const models = new Set(rows.map(({ facts }) => facts.model));
  return {
    columns: [...new Columns(rows).allNames(), ...STEPS.split(' ')],
    texts: [...models, ...named.keys()].sort(),
    words: [...KEYWORDS.split(' '), ...templateWords()],
  };
}

/** What was asked before, the newest last; none if it cannot be read. */
export async function promptHistory(env: NodeJS.ProcessEnv): Promise<string[]> {
  try {
    return await readQueryHistory(env);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return [];
  }
}

/** Keeps what was asked. @returns false if it cannot be written. */
export async function keepAsked(env: NodeJS.ProcessEnv, query: string): Promise<boolean> {
  try {
    await addQueryHistory(env, query);
    return true;
  } catch (error) {
    if (!(error instanceof IoError) && !isUnreadable(error)) throw error;
    return false;
  }
}

/** True for the beginning of a statement: it is wrong at its end alone, so more may follow. */
export function isUnfinished(text: string): boolean {
  try {
    parseStatement(text);
    return false;
  } catch (error) {
    if (!(error instanceof UsageError) || typeof error.data.line !== 'number') return false;
    const lines = text.trimEnd().split('\n');
    const length = [...(lines[error.data.line - 1] ?? '')].length;
    return error.data.line >= lines.length && Number(error.data.column) > length;
  }
}
