/** `dlv push` on the command line. */
import type { Command } from 'commander';
import type { PushOptions, PushResult } from '../../use/ops/push.js';
import { jobsOption, type LineFlags, limitRateOption, lineSettings } from '../arguments.js';
import { EXAMPLE_MOVE, printRefs, printTraffic, versionsAndBytes } from '../output/transfer.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags extends LineFlags {
  all?: boolean;
  tags?: boolean;
  delete?: boolean;
  force?: boolean;
  forceWithLease?: boolean;
  prune?: boolean;
  setUpstream?: boolean;
  tombstones?: boolean;
  dryRun?: boolean;
  verbose?: boolean;
}

const EXAMPLE: PushResult = {
  remote: 'origin',
  url: '/mnt/team/mnist.dlv',
  created: false,
  refs: [EXAMPLE_MOVE],
  upstream: [],
  dryRun: false,
  versions: 1,
  notes: 0,
  bytes: 48_213,
  recoded: 0,
  requests: 6,
  receivedBytes: 1_204,
  sentBytes: 49_730,
};

function print(ui: Ui, result: PushResult, isVerbose: boolean): void {
  const { url, created, dryRun, refs, versions, notes, upstream } = result;
  const moved = refs.some(({ status }) => status !== 'same');
  if (created && moved) ui.note(`${dryRun ? 'would make' : 'made'} a remote at ${url}`);
  else if (moved) ui.note(`${dryRun ? 'would push to' : 'to'} ${url}`);
  printRefs(ui, refs, isVerbose);
  const to = dryRun ? ' to push' : '';
  if (versions > 0) ui.note(`${versionsAndBytes(result)}${to}`);
  if (notes > 0) ui.note(`${formatCount(notes, 'note')} about versions${to}`);
  if (!moved && notes === 0) ui.note(`everything is at ${url} already`);
  for (const one of upstream) ui.note(`'${one.branch}' follows '${one.upstream}'`);
  if (isVerbose) printTraffic(ui, { ...result, resumedBytes: 0 });
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'push', {
      summary: 'bring versions to a remote, and move its branches',
      about:
        'Sends what the remote lacks of the current branch, or of the branches and tags named, and then ' +
        'moves its refs, all in one step. <here>:<there> pushes under another name, :<there> deletes a branch ' +
        'or tag there, + before <here> forces that one; HEAD is the current branch, and with <there>, <here> may be ' +
        'any version. A branch whose versions at the remote are not all part of what is pushed is ' +
        "refused: 'dlv pull' first. --force-with-lease replaces it if it is where it was seen last, --force in " +
        'any case. Several pushes may run at once: the slower one of the same branch is refused. An interrupted ' +
        'push sends nothing twice when it is run again. Only the records that the pushed versions need ' +
        'are sent. The first push to an empty address makes the remote. Files that were given up here ' +
        'stay at a remote that has them, unless --tombstones is given.',
      examples: [
        ['dlv push -u origin', 'pushes the current branch, which follows it from now on'],
        ['dlv push --dry-run', 'says what would be pushed, with its bytes'],
        ['dlv push --all --tags', 'all branches of all models, and all tags'],
        [
          'dlv push --force-with-lease',
          'replaces the branch there, unless somebody moved it meanwhile',
        ],
        ['dlv push --limit-rate 5M', 'takes no more than 5 MiB a second of the line'],
        ['dlv push origin HEAD:review', 'the current branch, under another name there'],
        ['dlv push origin v1', 'a tag'],
        ['dlv push origin --delete wider', 'deletes a branch of the remote'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'a ref was refused, no such remote or branch, or it cannot be reached' },
    })
    .argument('[remote]', 'name of a remote, or an address')
    .argument(
      '[refs...]',
      'branches and tags, [+]<here> or [+]<here>:<there> (default: the current branch)',
    )
    .option('-a, --all', 'push all branches of all models')
    .option('-t, --tags', 'push all tags, and branches that are named or --all')
    .option('-d, --delete', 'delete the branches and tags named, at the remote')
    .option('-f, --force', 'replace branches and tags of the remote, whatever versions that drops')
    .option('--force-with-lease', 'the same, if the branch there is where it was seen last')
    .option('--prune', 'delete branches of the remote that are not here')
    .option('-u, --set-upstream', 'make the branches pushed follow those of the remote')
    .option('--tombstones', "give up there what 'dlv keep --versions' gave up here")
    .option('-n, --dry-run', 'only say what would be pushed')
    .option('-v, --verbose', 'show refs that did not move, and the traffic')
    .addOption(limitRateOption())
    .addOption(jobsOption())
    .action(
      cli.action(async (run, remote: string | undefined, refs: string[], flags: Flags) => {
        const { push } = await import('../../use/ops/push.js');
        const { verbose: isVerbose = false, limitRate: _rate, jobs: _jobs, ...rest } = flags;
        const options: PushOptions = {
          ...rest,
          ...lineSettings(flags),
          ...(remote === undefined ? {} : { remote }),
          ...(refs.length === 0 ? {} : { refs }),
        };
        const result = await run.repository((repo) => push(repo, options, run.context));
        run.answer(result, (ui) => print(ui, result, isVerbose));
        return result.refs.some(({ status }) => status === 'rejected') ? 1 : 0;
      }),
    );
}
