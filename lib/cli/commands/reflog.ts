/** `dlv reflog` on the command line. */
import type { Command } from 'commander';
import type { ReflogLine, ReflogOptions } from '../../use/ops/reflog.js';
import { parseCount } from '../arguments.js';
import { exampleId, shortId } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatTime, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  deleted?: boolean;
  maxCount?: string;
}

const EXAMPLE: ReflogLine[] = [
  {
    name: 'HEAD@{0}',
    version: exampleId('4be2a97d10'),
    before: exampleId('9c1f0e6f0b'),
    time: '2026-01-31T10:00:00.000Z',
    who: 'Ada <ada@example.org>',
    reason: 'reset: moving to HEAD~1',
    here: true,
    keptUntil: '2026-02-14T10:00:00.000Z',
  },
];

function printLines(ui: Ui, lines: readonly ReflogLine[]): void {
  const rows = lines.map(({ name, version, before, time, reason, here }) => [
    { text: shortId(version ?? before ?? ''), style: ui.style.yellow },
    name ?? '(name not known)',
    formatTime(new Date(time)),
    here ? reason : `${reason} [dropped by gc]`,
  ]);
  for (const line of formatTable([{}, {}, {}, {}], rows)) ui.line(line);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'reflog', {
      summary: 'show where HEAD or a branch pointed, and why it moved',
      about:
        'The latest move comes first. The name in each line is a revision that every command ' +
        "accepts: 'dlv reset --hard HEAD@{1}' goes back one move. gc keeps the version of a line " +
        'for gc.graceDays (14) days; if gc has deleted it since, the line says so.',
      examples: [
        ['dlv reflog', 'the moves of HEAD'],
        ['dlv reflog mnist/main', 'the moves of a branch'],
        ['dlv reflog --deleted', 'deleted branches and tags, and the versions they named'],
        ['dlv branch wider 9c1f0e6f0b', 'restores a deleted branch'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such branch or tag' },
    })
    .argument('[ref]', 'HEAD, a branch or a tag (default: HEAD)')
    .option('--deleted', 'list deleted branches and tags')
    .option('-n, --max-count <n>', 'show at most <n> moves')
    .action(
      cli.action(async (run, ref: string | undefined, flags: Flags) => {
        const { reflog } = await import('../../use/ops/reflog.js');
        const options: ReflogOptions = {
          ...(ref === undefined ? {} : { ref }),
          ...(flags.deleted ? { deleted: true } : {}),
          ...(flags.maxCount === undefined
            ? {}
            : { maxCount: parseCount(flags.maxCount, '--max-count') }),
        };
        const lines = await run.repository((repo) => reflog(repo, options, run.context));
        run.answer(lines, (ui) => printLines(ui, lines));
        return 0;
      }),
    );
}
