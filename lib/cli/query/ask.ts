/** The prompt of `dlv query` on a repository: each statement is carried out and its answer shown. */
import { toDlvError, writeError } from '../exit-codes.js';
import type { Run } from '../run.js';
import { canAsk } from '../tier.js';
import { makeVersions, runStudy } from './carry-out.js';

/** True if somebody sits there: the prompt reads keys, and its answers are for people. */
export function canPrompt(run: Run): boolean {
  return canAsk(run) && process.stdout.isTTY === true;
}

/** Asks for statements until the input ends. */
export async function askAtPrompt(run: Run): Promise<number> {
  const { queryWords, promptHistory, keepAsked, isUnfinished } = await import(
    '../../use/ops/query-prompt.js'
  );
  const { query, statementKind } = await import('../../use/ops/query.js');
  const { printQuery } = await import('../output/versions/query-table.js');
  const { printConstruction } = await import('../output/versions/construction-report.js');
  const { runPrompt } = await import('../query-prompt.js');
  const { TOPICS } = await import('../topics.js');
  const { ui, context } = run;
  let words = await run.repository((repo) => queryWords(repo, context.signal));
  let keeps = true;
  ui.note("DQL: a statement a line; Tab completes, 'help' shows the language, 'exit' ends");
  await runPrompt({
    ...{ input: process.stdin, output: process.stdout },
    history: await promptHistory(run.env),
    words: () => words,
    isUnfinished,
    help: () => ui.lines((TOPICS.dql?.text ?? '').split('\n')),
    report: (error) => writeError(ui.stderr, ui.chatterStyle, toDlvError(error), run.env),
    carryOut: async (text) => {
      if (keeps && !(await keepAsked(run.env, text))) {
        keeps = false;
        ui.note('what is asked here cannot be kept: the folder of your settings cannot be written');
      }
      const kind = statementKind(text);
      if (kind === 'slice' || kind === 'construct') {
        printConstruction(ui, await makeVersions(run, text, kind, {}));
        words = await run.repository((repo) => queryWords(repo, context.signal));
        return;
      }
      if (kind === 'evaluate') {
        await runStudy(run, text, {});
        words = await run.repository((repo) => queryWords(repo, context.signal));
        return;
      }
      const result = await run.repository((repo) => query(repo, text, context));
      printQuery(ui, result, 'text', result.explain);
    },
  });
  return 0;
}
