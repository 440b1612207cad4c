/** `dlv forget` on the command line. */
import type { Command } from 'commander';
import type { ForgetOptions, ForgetResult } from '../../use/ops/forget.js';
import { exampleId, shortId, subject } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import { type Cli, collect } from '../run.js';

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
  freedFrom: '2026-02-14T10:00:00.000Z',
};

function print(ui: Ui, result: ForgetResult): void {
  const { versions, paths, moved, refs, dryRun } = result;
  const rows = versions.map(({ version, model, number, message, becomes }) => [
    { text: shortId(version), style: ui.style.yellow },
    `${model}@${number}`,
    becomes === null ? '(forgotten)' : `is ${shortId(becomes)}${dryRun ? ' then' : ' now'}`,
    subject(message),
  ]);
  for (const line of formatTable([{}, {}, {}, {}], rows)) ui.line(line);
  if (paths.length > 0) ui.line(`left out: ${paths.join(', ')}`);
  for (const { name, before, after } of refs) {
    const where = after === null ? 'deleted' : `at ${shortId(after)}`;
    ui.line(`${name}: ${where}${before === null ? '' : `, was ${shortId(before)}`}`);
  }
  const would = dryRun ? 'would get' : 'got';
  if (moved > 0) {
    ui.line(
      `${formatCount(moved, 'version')} that ${moved === 1 ? 'derives' : 'derive'} from ` +
        `them ${would} ${moved === 1 ? 'a new id' : 'new ids'}; the files are the same`,
    );
  }
  ui.line(
    `frees ${formatBytes(result.freedBytes)}: 'dlv gc --prune=now' at once, with all that only reflogs ` +
      `keep; 'dlv gc' from ${result.freedFrom.slice(0, 10)} on`,
  );
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
      summary: 'take a version, or files, out of history',
      about:
        'A version is taken out of the middle of its line: the versions after it get its parents, ' +
        'and with them new ids; their files, numbers, messages and metrics stay. With --path, files ' +
        'are left out of all versions, or of those that are named. Branches, tags and notes go to the ' +
        'new versions. An old id or name then answers with what became of it. Work files stay as they ' +
        'are. The bytes go with gc; until then the reflog takes everything back.',
      examples: [
        ['dlv forget --dry-run mnist@3', 'says what that would change and free'],
        ['dlv forget mnist@3', 'takes the third version out'],
        ['dlv forget --path big.pt', 'takes a file out of every version'],
        [
          "dlv forget --path 'raw/*.npz' mnist@2..mnist@5",
          'only in the versions after @2, up to @5',
        ],
        ['dlv gc --prune=now', 'gives the bytes back at once'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'nothing fits, or a tag or staged changes would be lost' },
    })
    .argument('[revisions...]', 'versions to forget; with --path, versions or ranges a..b')
    .option('--path <glob>', 'leave these files out (repeatable)', collect)
    .option('-f, --force', 'delete tags of forgotten versions, drop staged changes in the way')
    .option('-n, --dry-run', 'only say what would be done')
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
        run.answer(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
