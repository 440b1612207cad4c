/** `dlv pull` on the command line. */
import type { Command } from 'commander';
import type { PullOptions, PullResult } from '../../use/ops/pull.js';
import {
  type FetchFlags,
  forgottenOption,
  jobsOption,
  limitRateOption,
  lineSettings,
  movesOption,
  pruneOption,
} from '../arguments.js';
import { exampleId, shortId } from '../output/render.js';
import { printRefs, printTraffic, versionsAndBytes } from '../output/transfer.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

const EXAMPLE: PullResult = {
  remote: 'origin',
  url: '/mnt/team/mnist.dlv',
  model: 'mnist',
  branch: 'main',
  before: exampleId('7d1b64f0aa'),
  after: exampleId('9c1f0e6f0b'),
  written: ['model.safetensors'],
  removed: [],
  carried: [],
  refs: [],
  versions: 1,
  bytes: 48_213,
  resumedBytes: 0,
  requests: 6,
  receivedBytes: 52_120,
  sentBytes: 0,
};

function print(ui: Ui, result: PullResult, isVerbose: boolean): void {
  const { model, branch, before, after, written, removed, versions } = result;
  printRefs(ui, result.refs, isVerbose);
  if (versions > 0) ui.note(versionsAndBytes(result));
  const title = `'${model}/${branch}'`;
  if (before === after) ui.note(`${title} is up to date`);
  else {
    const from = before === null ? '' : `${shortId(before)}..`;
    ui.note(
      `moved ${title} on: ${from}${shortId(after)}, ${formatCount(written.length, 'file')} written, ` +
        `${removed.length} removed`,
    );
  }
  if (isVerbose) printTraffic(ui, result);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'pull', {
      summary: 'fetch, and move the current branch on',
      about:
        "Fetches, then moves HEAD's branch and its work files on to where the branch of the remote is. If both " +
        'have versions that the other has not, nothing moves and the exit code is 1: weights are not merged. ' +
        'The message then says how to join the lines or to choose one. A tag that is here for another version stays, as in a fetch. Uncommitted changes are kept or ' +
        'refused, as by dlv checkout. A branch that follows none yet follows this one afterwards.',
      examples: [
        ['dlv pull', 'from the branch that the current one follows'],
        ['dlv pull origin wider', 'from another branch of the same model'],
        ['dlv pull ../colleague/mnist', "from a colleague's repository"],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'the lines have parted, work files stand in the way, or the remote cannot be reached',
      },
    })
    .argument('[remote]', 'name of a remote, or an address')
    .argument('[branch]', 'branch of the remote, <branch> or <model>/<branch>')
    .addOption(pruneOption())
    .addOption(forgottenOption())
    .option('--ff-only', 'move the branch forward or fail (the default; there is no other way)')
    .addOption(movesOption())
    .addOption(limitRateOption())
    .addOption(jobsOption())
    .action(
      cli.action(
        async (run, remote: string | undefined, branch: string | undefined, flags: FetchFlags) => {
          const { pull } = await import('../../use/ops/pull.js');
          const options: PullOptions = {
            ...(remote === undefined ? {} : { remote }),
            ...(branch === undefined ? {} : { branch }),
            prune: flags.prune === true,
            forgotten: flags.forgotten === true,
            ...lineSettings(flags),
          };
          const result = await run.repository((repo) => pull(repo, options, run.context));
          run.answer(result, (ui) => print(ui, result, flags.verbose === true));
          return 0;
        },
      ),
    );
}
