/** `dlv import` on the command line. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { ImportKind, ImportResult } from '../../use/ops/import.js';
import type { BundleContent, ImportBundleResult } from '../../use/ops/import-bundle.js';
import { forgottenOption } from '../arguments.js';
import { collect } from '../flags.js';
import { exampleId, shortId } from '../output/render.js';
import { printRefs, versionsAndBytes } from '../output/transfer.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  as?: ImportKind;
  model?: string;
  only?: string[];
  dryRun?: boolean;
  list?: boolean;
  forgotten?: boolean;
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

function print(ui: Ui, result: ImportResult): void {
  const { made, known, files, logicalBytes, storedBytes, branches, tags, dryRun } = result;
  const there = known > 0 ? `, ${known} there already` : '';
  const versions = formatCount(made, 'version');
  if (dryRun)
    ui.line(
      `${versions} would be made of '${result.model}'${there}, with ${formatCount(files, 'file')}`,
    );
  else {
    ui.line(
      `${versions} of '${result.model}'${there}: ${formatCount(files, 'file')}, ${formatBytes(logicalBytes)}; ` +
        `the repository grew by ${formatBytes(storedBytes)}`,
    );
  }
  if (branches.length > 0) {
    ui.line(`branches: ${branches.map(({ branch }) => `${result.model}/${branch}`).join(', ')}`);
  }
  if (tags.length > 0) ui.line(`tags: ${tags.map(({ tag }) => tag).join(', ')}`);
  if (!dryRun && result.tip !== null) ui.note(`'dlv checkout ${result.model}' writes its files`);
}

function printBundle(ui: Ui, result: ImportBundleResult): void {
  const { refs, versions, dryRun } = result;
  printRefs(ui, refs, false);
  if (versions > 0) ui.note(`${versionsAndBytes(result)}${dryRun ? ' to import' : ''}`);
  else if (refs.every(({ status }) => status === 'same')) ui.note('everything is here already');
}

function printContent(ui: Ui, { refs, needs, bytes }: BundleContent): void {
  for (const { kind, name, version } of refs) ui.line(`${kind} ${name} ${shortId(version)}`);
  for (const id of needs) ui.line(`needs ${shortId(id)}`);
  ui.note(formatBytes(bytes));
}

/** Flags that a bundle leaves no choice for. */
function refuseHistoryFlags({ as, model, only }: Flags): void {
  const [option] = Object.entries({ '--as': as, '--model': model, '--only': only })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (option === undefined) return;
  throw new UsageError(`${option} is for histories of other tools, not for a bundle`, {
    option,
    hint: "leave it out; 'dlv fetch <file> <branch>' takes single branches",
  });
}

async function importFile(run: Run, file: string, flags: Flags): Promise<number> {
  refuseHistoryFlags(flags);
  const { importBundle, listBundle } = await import('../../use/ops/import-bundle.js');
  if (flags.list) {
    const content = await listBundle(run.context, { file });
    run.answer(content, (ui) => printContent(ui, content));
    return 0;
  }
  const { dryRun = false, forgotten = false } = flags;
  const options = { file, dryRun, forgotten };
  const result = await run.repository((repo) => importBundle(repo, options, run.context));
  const isRefused = result.refs.some(({ status }) => status === 'rejected');
  const say = isRefused ? run.answer : run.report;
  say(result, (ui) => printBundle(ui, result));
  return isRefused ? 1 : 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'import', {
      summary:
        'take a bundle, or the history of git with LFS, DVC, a folder of checkpoints, or the Hub’s cache',
      about:
        'Makes a version of a new model for each commit, checkpoint or download, with its time, author, message ' +
        'and parents, and the branches and tags. Files of git-lfs and DVC come from their folders beside ' +
        'the git repository and are compared with their hashes. One that is missing or damaged is named: of git-lfs the ' +
        'pointer is kept, of DVC the file is left out. In a folder of checkpoints ' +
        '(checkpoint-500, epoch=3-step=1000.ckpt; where no word says a step, several names that differ in a number, as net-100.pt and net-200.pt) each step is a version whose files have the same paths, ' +
        'with the metrics of trainer_state.json and of the names; what broke off on the way is taken as it is, and named. ' +
        'Links out of that folder, or out of the folder of a cache, are left out and named. ' +
        'A repository of dlv is refused, since its versions can be fetched, and left out where it lies in the folder. ' +
        'Nothing there is changed or run. The command can be interrupted and repeated: it takes what it does not have ' +
        'yet. A version is made once: what was missing then comes with an import into another model.\n\nOf a file that dlv export ' +
        'wrote, the versions, numbers, notes, branches and tags are taken as they are. Everything is compared with its ids before ' +
        'anything can see it. Branches that are not here are made, others are moved on; one that HEAD is on, or that ' +
        'has versions of its own here, is left, and the command says how to go on. --list says what such a file holds; it ' +
        'needs no repository. With --json, refs are those of dlv fetch.',
      examples: [
        ['dlv import backup.dlv', 'a file that dlv export wrote'],
        ['dlv import --list backup.dlv', 'says what it holds'],
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
    .argument('<place>', 'a bundle, or the folder of the other tool')
    .addOption(new Option('--as <kind>', 'kind of history (default: detected)').choices(KINDS))
    .option('--model <name>', 'model that the versions belong to (default: the name of the folder)')
    .option('--only <glob>', 'take only these files (repeatable)', collect)
    .option('-l, --list', 'only print what a bundle holds')
    .addOption(forgottenOption())
    .option('-n, --dry-run', 'only print what would be made')
    .action(
      cli.action(async (run, dir: string, flags: Flags) => {
        const { isFilePlace } = await import('../../use/ops/import-bundle.js');
        if (flags.list || (await isFilePlace(run.context, dir))) return importFile(run, dir, flags);
        const { importHistory } = await import('../../use/ops/import.js');
        const options = {
          dir,
          ...(flags.as === undefined ? {} : { kind: flags.as }),
          ...(flags.model === undefined ? {} : { model: flags.model }),
          ...(flags.only === undefined ? {} : { only: flags.only }),
          dryRun: flags.dryRun === true,
        };
        const result = await run.repository((repo) => importHistory(repo, options, run.context));
        run.report(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
