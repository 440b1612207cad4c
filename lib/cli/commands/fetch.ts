/** `dlv fetch` on the command line. */
import { type Command, Option } from 'commander';
import type { FetchOptions, FetchResult } from '../../use/ops/fetch.js';
import {
  type FetchFlags,
  forgottenOption,
  jobsOption,
  limitRateOption,
  lineSettings,
  movesOption,
  parsePlanesOrAll,
  parsePositive,
  pruneOption,
} from '../arguments.js';
import { collect } from '../flags.js';
import { EXAMPLE_MOVE, printRefs, printTraffic, versionsAndBytes } from '../output/transfer.js';
import { formatBytes, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags extends FetchFlags {
  all?: boolean;
  tags?: boolean;
  force?: boolean;
  dryRun?: boolean;
  tombstones?: boolean;
  planes?: string;
  depth?: string;
  only?: string[];
  unshallow?: boolean;
}

const EXAMPLE: FetchResult[] = [
  {
    remote: 'origin',
    url: '/mnt/team/mnist.dlv',
    dryRun: false,
    refs: [EXAMPLE_MOVE],
    versions: 1,
    bytes: 48_213,
    resumedBytes: 0,
    requests: 6,
    receivedBytes: 52_120,
    sentBytes: 0,
  },
];

function print(ui: Ui, result: FetchResult, isVerbose: boolean): void {
  const { url, dryRun, refs, versions, bytes } = result;
  const moved = refs.some(({ status }) => status !== 'same');
  if (moved || bytes > 0 || versions > 0) ui.note(`${dryRun ? 'would fetch from' : 'from'} ${url}`);
  printRefs(ui, refs, isVerbose);
  const open = dryRun ? ' to fetch' : '';
  if (versions > 0) ui.note(`${versionsAndBytes(result)}${open}`);
  else if (bytes > 0) ui.note(`${formatBytes(bytes)}${open} of versions that are here already`);
  else if (!moved) ui.note(`nothing new at ${url}`);
  if (isVerbose) printTraffic(ui, result);
}

function parseDepth(text: string): number | 'all' {
  return text === 'all' ? 'all' : parsePositive(text, '--depth');
}

function parseOnly(globs: string[]): string[] | 'all' {
  return globs.includes('all') ? 'all' : globs;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'fetch', {
      summary: 'bring versions of a remote here, and move nothing',
      about:
        'Brings the versions of the branches of a remote here and notes where these branches are: ' +
        "'origin/main' names a version then, as 'dlv log origin/main' shows (origin/mnist/main for a branch of " +
        "another model). Work files and own branches stay: 'dlv pull' moves them. Without names, all branches are " +
        'fetched; a model names all of its branches. Tags of versions that are here then come too; one that is here for ' +
        'another version stays, which is an error only if it was asked for, by name or with --tags. Everything that arrives is decoded and ' +
        'compared with its ids before anything can see it. If a fetch is interrupted, the ' +
        'same command resumes it. A branch that would bring back a version which was forgotten here is refused ' +
        'unless --forgotten is given. Files that were given up here (dlv keep --versions) do not come back; those ' +
        'that were given up there stay here, unless --tombstones is given.',
      examples: [
        ['dlv fetch', 'from the remote that the current branch follows, else origin'],
        ['dlv fetch --dry-run', 'says which branches moved and how much would come'],
        ['dlv fetch origin main v1', 'one branch of the current model, and a tag'],
        ['dlv fetch origin bert mnist/wider', 'all branches of one model, and one of another'],
        ['dlv fetch --planes all', 'makes a clone of leading planes exact'],
        ['dlv fetch --only all', 'brings what a clone with --only left out'],
        ['dlv fetch --all --prune', 'from all remotes, and forgets branches that are gone there'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'a branch, or a tag asked for, was refused, no such remote or branch, or it cannot be reached',
      },
    })
    .argument('[remote]', 'name of a remote, or an address')
    .argument('[names...]', 'branches, models and tags (default: all branches)')
    .option('-a, --all', 'fetch from all remotes')
    .option('-t, --tags', 'fetch all tags, with their versions')
    .option('--no-tags', 'fetch no tags')
    .addOption(pruneOption())
    .option('-f, --force', 'move tags that name another version here')
    .addOption(forgottenOption())
    .option('--tombstones', 'give up here what was given up there')
    .option('--planes <k>', "in a partial clone: bring more planes, or 'all'")
    .option(
      '--only <glob>',
      "in a partial clone: also files that match (may be repeated), or 'all'",
      collect,
    )
    .option('--depth <n>', "in a partial clone: bring files of more versions, or 'all'")
    .addOption(new Option('--unshallow', 'as --depth all').conflicts('depth'))
    .option('-n, --dry-run', 'only say what would come')
    .addOption(movesOption())
    .addOption(limitRateOption())
    .addOption(jobsOption())
    .action(
      cli.action(async (run, remote: string | undefined, branches: string[], flags: Flags) => {
        const { fetch } = await import('../../use/ops/fetch.js');
        const { isWhollyFetched } = await import('../../use/tracking/fetch-refs.js');
        const { tags, all, prune, force, forgotten, dryRun } = flags;
        const options: FetchOptions = {
          ...(remote === undefined ? {} : { remote }),
          ...(branches.length === 0 ? {} : { branches }),
          tags: tags === undefined ? 'auto' : tags ? 'all' : 'none',
          all: all === true,
          prune: prune === true,
          force: force === true,
          forgotten: forgotten === true,
          dryRun: dryRun === true,
          tombstones: flags.tombstones === true,
          ...lineSettings(flags),
          ...(flags.planes === undefined ? {} : { planes: parsePlanesOrAll(flags.planes) }),
          ...(flags.unshallow ? { depth: 'all' as const } : {}),
          ...(flags.only === undefined ? {} : { only: parseOnly(flags.only) }),
          ...(flags.depth === undefined ? {} : { depth: parseDepth(flags.depth) }),
        };
        const results = await run.repository((repo) => fetch(repo, options, run.context));
        run.answer(results, (ui) => {
          for (const result of results) print(ui, result, flags.verbose === true);
        });
        return results.every(isWhollyFetched) ? 0 : 1;
      }),
    );
}
