/** `dlv forget` on the command line. */

import type { Command } from 'commander';
import { listSome } from '../../base/bytes/words/wording.js';
import type { ForgetOptions, ForgetResult } from '../../use/ops/forget.js';
import { collect } from '../flags.js';
import { exampleId, shortId, subject } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  path?: string[];
  force?: boolean;
  dryRun?: boolean;
}

const EXAMPLE: ForgetResult = {
  dryRun: false,
  versions: [
    {
      version: exampleId('9c1f0e6f0b'),
      model: 'mnist',
      number: 3,
      message: 'oops: the raw data',
      becomes: null,
    },
  ],
  paths: [],
  moved: 10,
  refs: [{ name: 'mnist/main', before: exampleId('4be2a97d10'), after: exampleId('77d0a1e95c') }],
  headMoved: true,
  freedBytes: 94371840,
  heldBy: [],
  freedFrom: '2026-02-14T10:00:00.000Z',
};

function outcome(becomes: string | null, dryRun: boolean): string {
  if (becomes === null) return dryRun ? 'would be forgotten' : 'forgotten';
  return `${dryRun ? 'would become' : 'became'} ${shortId(becomes)}`;
}

function print(ui: Ui, result: ForgetResult): void {
  const { versions, paths, moved, refs, dryRun } = result;
  const rows = versions.map(({ version, model, number, message, becomes }) => [
    { text: shortId(version), style: ui.style.yellow },
    `${model}@${number}`,
    outcome(becomes, dryRun),
    subject(message),
  ]);
  for (const line of formatTable([{}, {}, {}, {}], rows)) ui.line(line);
  if (paths.length > 0) ui.line(`left out: ${paths.join(', ')}`);
  for (const { name, before, after } of refs) {
    const goes = after === null ? 'be deleted' : `move to ${shortId(after)}`;
    const went = after === null ? 'deleted' : `moved to ${shortId(after)}`;
    const from = before === null ? '' : ` from ${shortId(before)}`;
    ui.line(`${name} ${dryRun ? `would ${goes}` : went}${from}`);
  }
  const would = dryRun ? 'would get' : 'got';
  if (moved > 0) {
    ui.line(
      `${formatCount(moved, 'version')} that ${moved === 1 ? 'derives' : 'derive'} from ` +
        `them ${would} ${moved === 1 ? 'a new id' : 'new ids'}; the files are the same`,
    );
  }
  ui.line(
    `${dryRun ? 'would free' : 'frees'} ${formatBytes(result.freedBytes)}: 'dlv gc --prune=now' at once, with all that only reflogs ` +
      `keep; 'dlv gc' from ${result.freedFrom.slice(0, 10)} on`,
  );
  const { heldBy } = result;
  if (heldBy.length > 0) {
    ui.line(
      `${listSome(heldBy)} still ${heldBy.length === 1 ? 'has' : 'have'} what is forgotten, and keep${heldBy.length === 1 ? 's' : ''} ` +
        "it here too: 'dlv push --force' moves a branch at its remote, 'dlv remote remove' forgets a remote",
    );
  }
  if (!dryRun) {
    ui.note(
      result.headMoved
        ? "until then 'dlv reset HEAD@{1}' takes it back, and leaves work files as they are"
        : "until then 'dlv reflog <branch>' and 'dlv reflog --deleted' show where they were",
    );
  } else ui.note('nothing was changed');
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'forget', {
      summary: 'remove versions or files from history',
      about:
        'Removes a version from the middle of its line: its children get its parents, and so new ' +
        'ids; their files, numbers, messages and metrics stay. With --path, removes files from ' +
        'all versions, or from those that are named. Branches, tags and notes move to the new ' +
        'versions. If you use an old id or name later, dlv says what became of it. Work files do ' +
        'not change. gc frees the space; until then the reflog can undo everything.',
      examples: [
        [
          'dlv forget --dry-run mnist@3',
          'prints what this would change and how much space it would free',
        ],
        ['dlv forget mnist@3', 'removes the third version'],
        ['dlv forget --path big.pt', 'removes a file from every version'],
        [
          "dlv forget --path 'raw/*.npz' mnist@2..mnist@5",
          'only in the versions after @2, up to @5',
        ],
        ['dlv gc --prune=now', 'frees the space at once'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no version or path matches, or a tag or staged changes would be lost' },
    })
    .argument('[revisions...]', 'versions to remove; with --path, versions or ranges a..b')
    .option('--path <glob>', 'remove these files (repeatable)', collect)
    .option('-f, --force', 'delete tags of removed versions, and drop conflicting staged changes')
    .option('-n, --dry-run', 'only print what would be done')
    .action(
      cli.action(async (run, revisions: string[], flags: Flags) => {
        const { forget } = await import('../../use/ops/forget.js');
        const options: ForgetOptions = {
          revisions,
          paths: flags.path ?? [],
          force: flags.force === true,
          dryRun: flags.dryRun === true,
        };
        const result = await run.repository((repo) => forget(repo, options, run.context));
        run.report(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
