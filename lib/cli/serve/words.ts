/** What the page needs of queries before they are asked: words that complete, and that they only read. */
import { UsageError } from '../../base/errors.js';
import { noProgress } from '../../use/progress.js';

/** The words of the repository, as the prompt of `dlv query` completes them. */
export async function words(cwd: string, signal: AbortSignal): Promise<object> {
  const { queryWords } = await import('../../use/ops/query-prompt.js');
  const { withRepository } = await import('../../use/ops/with-repository.js');
  const context = { cwd, signal, progress: noProgress, warn: () => {}, fetches: false };
  return withRepository(context, (repo) => queryWords(repo, signal));
}

/** @throws {UsageError} for a statement that would make versions. */
export async function isSelect(argv: readonly string[]): Promise<void> {
  const text = argv.at(-1) as string;
  if (text.startsWith('-')) return;
  const { statementKind } = await import('../../use/ops/query.js');
  const kind = statementKind(text);
  if (kind === 'select') return;
  throw new UsageError(`the page only reads, and ${kind} makes versions`, {
    hint: 'copy the statement as a command, and run it in a terminal',
  });
}
