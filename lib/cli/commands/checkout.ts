/** `dlv checkout` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { CheckoutOptions, CheckoutResult } from '../../use/ops/checkout.js';
import { parsePlanes } from '../arguments.js';
import { exampleId, noteFiles, shortId } from '../output/render.js';
import { formatBytes, formatCount, formatDuration, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';
import { restoreFiles } from './restore.js';
import { goTo } from './switch.js';

type Flags = Pick<CheckoutOptions, 'out' | 'force' | 'acceptTier'> & {
  branch?: string;
  track?: boolean;
  planes?: string;
};

const EXAMPLE: CheckoutResult = {
  version: exampleId('9c1f0e6f0b'),
  model: 'mnist',
  branch: null,
  detached: true,
  path: '/home/ada/mnist',
  written: ['model.safetensors'],
  removed: ['old.safetensors'],
  carried: ['notes.txt'],
  unchanged: 1,
  bytes: 5733472,
  approximate: [],
  seconds: 0.12,
};

function print(ui: Ui, result: CheckoutResult, flags: Flags): void {
  noteFiles(ui, result);
  if (result.bytes > 0) {
    ui.note(`${formatBytes(result.bytes)} in ${formatDuration(result.seconds)}`);
  }
  if (result.approximate.length > 0) {
    const count = formatCount(result.approximate.length, 'file');
    ui.note(`${count} with ${flags.planes} leading planes of each float: approximate copies`);
  }
  if (flags.out !== undefined) ui.note(`into '${result.path}'`);
  else if (result.branch !== null) ui.note(`on branch '${result.model}/${result.branch}'`);
  else if (result.detached) {
    ui.note(`HEAD is at ${shortId(result.version)} of '${result.model}', on no branch`);
    ui.note("'dlv switch -c <name>' makes a branch here");
  }
}

/** What the op takes of the flags. */
function ownFlags({ branch: _, track: __, planes, ...flags }: Flags): Partial<CheckoutOptions> {
  return { ...flags, ...(planes === undefined ? {} : { planes: parsePlanes(planes) }) };
}

async function checkoutFiles(run: Run, operands: string[], flags: Flags): Promise<number> {
  const { before, after } = run.split(operands);
  const [revision, ...paths] = before;
  const track = flags.track === undefined ? {} : { track: flags.track };
  if (flags.branch !== undefined) {
    if (paths.length > 0 || after !== null) throw new UsageError('-b takes a name and a start');
    const start = revision === undefined ? {} : { start: revision };
    return goTo(run, { name: flags.branch, create: true, ...start, ...track });
  }
  if (flags.track) {
    if (revision === undefined || paths.length > 0 || after !== null) {
      throw new UsageError('--track takes a branch of a remote', {
        hint: 'name it as origin/main',
      });
    }
    return goTo(run, { name: revision, ...track });
  }
  if (revision === '-' && paths.length === 0 && after === null) return goTo(run, { name: null });
  if (revision === undefined && after !== null && after.length > 0 && flags.out === undefined) {
    return restoreFiles(run, { paths: after, ...(flags.force ? { replaceLinks: true } : {}) });
  }
  const { checkout } = await import('../../use/ops/checkout.js');
  const { splitWords } = await import('../../use/worktree/operands/revisions-or-paths.js');
  const options: CheckoutOptions = {
    revision: revision ?? 'HEAD',
    paths: [...paths, ...(after ?? [])],
    ...ownFlags(flags),
  };
  const result = await run.repository(async (repo) => {
    // As in git: a first word that names no version but a file.
    const mayBePath = revision !== undefined && flags.out === undefined && after === null;
    const words = mayBePath ? await splitWords(repo, [revision], run.context) : null;
    return (words?.paths.length ?? 0) > 0 ? null : checkout(repo, options, run.context);
  });
  if (result === null) {
    return restoreFiles(run, { paths: before, ...(flags.force ? { replaceLinks: true } : {}) });
  }
  run.report(result, (ui) => print(ui, result, flags));
  return 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'checkout', {
      summary: 'write the files of a version into the work tree or a folder',
      about:
        'Without paths, the tracked files of the model become those of the version, and HEAD ' +
        'moves: to the branch if <rev> names one, else to the version itself. With paths, only ' +
        'these files are written (and staged). With --out, files are written into a separate ' +
        'folder and nothing else changes. Every file is byte for byte what was added, and is ' +
        'checked by its sha256.\n\nLocal changes, staged or not, are kept if the file is the ' +
        'same in both versions. Any other changed file is overwritten only with --force, if its ' +
        "content is in no version. 'dlv checkout -- <paths>' does the same as 'dlv restore " +
        "<paths>' and prints the same document; the -- may be left out if the first path names no version.\n\nWith --planes <k> and --out, only the k most " +
        'significant bytes of each float are read, about half of the data for 2 of 4. The files ' +
        'are of the same format and can be used; each value is the middle of what it can be, at ' +
        'most 0.4 % off for 2 planes of fp32. They are marked as approximate, and dlv add refuses them.',
      examples: [
        ['dlv checkout mnist@3', 'the files of the third version'],
        ['dlv checkout main', 'back to the branch main'],
        [
          'dlv checkout -b retry mnist@3',
          'creates a branch at the third version and switches to it',
        ],
        ['dlv checkout HEAD~1 model.safetensors', 'one file of the previous version'],
        ['dlv checkout v1 --out /tmp/v1', 'all files of the version v1, in a separate folder'],
        ['dlv checkout v1 --planes 2 --out /tmp/v1', 'the same, at about half the precision'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'no such version or file, or changes would be lost',
        12: 'a file cannot be rebuilt; the old one was kept',
      },
    })
    .argument('[rev]', 'version to check out (default: HEAD); - is the previous position of HEAD')
    .argument('[paths...]', 'only these files, folders or globs')
    .option(
      '-b, --branch <name>',
      'create a branch at <rev> (default: HEAD) and switch to it, like dlv switch -c',
    )
    .option(
      '-t, --track',
      'create a branch that follows <rev>, a branch of a remote, like dlv switch -t',
    )
    .option('--no-track', 'with -b: follow no branch of a remote')
    .option('--out <dir>', 'write into this folder, which must be empty or new')
    .option('--planes <k>', 'with --out: only the k leading bytes of each float, 1 to 8')
    .option('--accept-tier', 'accept files whose exact bytes a tier has replaced')
    .option('-f, --force', 'overwrite changes that are in no version; with --out, existing files')
    .action(
      cli.action((run, revision: string | undefined, paths: string[], flags: Flags) =>
        checkoutFiles(run, [...(revision === undefined ? [] : [revision]), ...paths], flags),
      ),
    );
}
