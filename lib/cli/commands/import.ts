/** `dlv import` on the command line. */
import { type Command, Option } from 'commander';
import type { ImportKind, ImportResult } from '../../use/ops/import.js';

import { exampleId } from '../output/render.js';
import { formatBytes, type Ui } from '../output/ui.js';
import { type Cli, collect } from '../run.js';

interface Flags {
  as?: ImportKind;
  model?: string;
  only?: string[];
  dryRun?: boolean;
}

const EXAMPLE: ImportResult = {
  dryRun: false,
  kind: 'git',
  path: '/home/ada/mnist-git',
  model: 'mnist-git',
  tip: exampleId('9c1f0e6f0b'),
  made: 20,
  known: 0,
  files: 64,
  logicalBytes: 114669440,
  storedBytes: 31457280,
  branches: [{ branch: 'main', version: exampleId('9c1f0e6f0b') }],
  tags: [{ tag: 'v1', version: exampleId('4be2a97d10') }],
  problems: ["'latest' is a symbolic link: links are left out"],
};

const KINDS = ['git', 'checkpoints', 'hub-cache'] as const;

/** Problems that are printed. */
const PROBLEMS_SHOWN = 20;

function print(ui: Ui, result: ImportResult): void {
  const { made, known, files, logicalBytes, storedBytes, branches, tags, problems, dryRun } =
    result;
  for (const problem of problems.slice(0, PROBLEMS_SHOWN)) ui.warn(problem);
  const more = problems.length - PROBLEMS_SHOWN;
  if (more > 0) ui.warn(`and ${more} more; --json lists all`);
  const there = known > 0 ? `, ${known} there already` : '';
  const word = made === 1 ? 'version' : 'versions';
  if (dryRun)
    ui.line(`${made} ${word} would be made of '${result.model}'${there}, with ${files} files`);
  else {
    ui.line(
      `${made} ${word} of '${result.model}'${there}: ${files} files, ${formatBytes(logicalBytes)}; ` +
        `the repository grew by ${formatBytes(storedBytes)}`,
    );
  }
  if (branches.length > 0) {
    ui.line(`branches: ${branches.map(({ branch }) => `${result.model}/${branch}`).join(', ')}`);
  }
  if (tags.length > 0) ui.line(`tags: ${tags.map(({ tag }) => tag).join(', ')}`);
  if (!dryRun && result.tip !== null) ui.note(`'dlv checkout ${result.model}' writes its files`);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'import', {
      summary: 'take the history of git with LFS, DVC, a folder of checkpoints, or the Hub’s cache',
      about:
        'Makes a version of a new model for each commit, checkpoint or download, with its time, author, message ' +
        'and parents, and the branches and tags. Files of git-lfs and DVC come from their folders beside ' +
        'the git repository; one that is not there is named, and its pointer kept. In a folder of checkpoints ' +
        '(checkpoint-500, epoch=3-step=1000.ckpt) each step is a version whose files have the same paths, ' +
        'with the metrics of trainer_state.json and of the names. Nothing there is changed or run. The ' +
        'command can be interrupted and repeated: it takes what it does not have yet.',
      examples: [
        ['dlv import ../mnist-git', 'all commits of a git repository, with LFS and DVC'],
        ['dlv import runs/bert --model bert', 'the checkpoints of a run'],
        ['dlv import ~/.cache/huggingface/hub/models--org--name', 'what was downloaded of a model'],
        ["dlv import ../repo --only '**/*.safetensors' --dry-run", 'says what would be made'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'nothing to import there, or a branch has versions of its own',
      },
    })
    .argument('<dir>', 'folder of the other tool')
    .addOption(
      new Option(
        '--as <kind>',
        'git, checkpoints or hub-cache; default: what it looks like',
      ).choices(KINDS),
    )
    .option('--model <name>', 'model that the versions belong to (default: the name of the folder)')
    .option('--only <glob>', 'take these files alone (repeatable)', collect)
    .option('--dry-run', 'only print what would be made')
    .action(
      cli.action(async (run, dir: string, flags: Flags) => {
        const { importHistory } = await import('../../use/ops/import.js');
        const options = {
          dir,
          ...(flags.as === undefined ? {} : { kind: flags.as }),
          ...(flags.model === undefined ? {} : { model: flags.model }),
          ...(flags.only === undefined ? {} : { only: flags.only }),
          dryRun: flags.dryRun === true,
        };
        const result = await run.repository((repo) => importHistory(repo, options, run.context));
        run.answer(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
