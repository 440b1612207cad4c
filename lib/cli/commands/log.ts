/** `dlv log` on the command line. */
import type { Command } from 'commander';
import type { VersionSummary } from '../../use/history/versions.js';
import type { History } from '../../use/ops/log.js';
import { parseCount } from '../arguments.js';
import { besideGraph, drawGraph } from '../output/graph.js';
import { EXAMPLE_VERSION, subject, versionLines, versionTitle } from '../output/render.js';
import type { Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  graph?: boolean;
  all?: boolean;
  oneline?: boolean;
  model?: string;
  maxCount?: string;
}

function textOf(ui: Ui, version: VersionSummary, oneline: boolean): string[] {
  const title = versionTitle(ui, version);
  if (oneline) return [`${title} ${subject(version.message)}`];
  return [title, ...versionLines(version), ''];
}

function print(ui: Ui, history: History, flags: Flags): void {
  const { versions, ancestors } = history;
  const oneline = flags.oneline === true;
  if (!flags.graph) {
    for (const version of versions) for (const line of textOf(ui, version, oneline)) ui.line(line);
    return;
  }
  const nodes = versions.map(({ version }) => ({
    id: version,
    parents: ancestors.get(version) ?? [],
  }));
  drawGraph(nodes).forEach((row, i) => {
    for (const line of besideGraph(row, textOf(ui, versions[i] as VersionSummary, oneline))) {
      ui.line(line);
    }
  });
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'log', {
      summary: 'show versions, newest first',
      about:
        'Shows the version that a revision names (default: HEAD) and all that it derives from, also ' +
        'in other models. With paths after --, only versions that changed one of them.',
      examples: [
        ['dlv log', 'the history of the current model'],
        ['dlv log --graph --all --oneline', 'all lines, drawn, one line each'],
        ['dlv log -n 5 bert', 'the last five versions of the model bert'],
        ['dlv log v1 -- model.safetensors', 'the versions up to v1 that changed a file'],
      ],
      json: [EXAMPLE_VERSION],
      exitCodes: { 1: 'no such revision, or no version yet' },
    })
    .argument('[revisions...]', 'where to start')
    .option('--graph', 'draw how versions follow from one another')
    .option('--oneline', 'one line for each version')
    .option('--all', 'start from every branch and tag')
    .option('-n, --max-count <n>', 'show at most <n> versions')
    .option('--model <name>', 'show only versions of this model')
    .action(
      cli.action(async (run, operands: string[], flags: Flags) => {
        const { readHistory } = await import('../../use/ops/log.js');
        const { before, after } = run.split(operands);
        const { maxCount, all, model, graph } = flags;
        const options = {
          revisions: before,
          paths: after ?? [],
          topological: graph === true,
          ...(all ? { all } : {}),
          ...(model === undefined ? {} : { model }),
          ...(maxCount === undefined ? {} : { maxCount: parseCount(maxCount, '-n') }),
        };
        const history = await run.repository((repo) => readHistory(repo, options, run.context));
        run.answer(history.versions, (ui) => print(ui, history, flags));
        return 0;
      }),
    );
}
