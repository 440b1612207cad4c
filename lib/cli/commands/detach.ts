/** `dlv detach` on the command line. */
import type { Command } from 'commander';
import type { DetachResult } from '../../use/ops/detach.js';
import {
  jobsOption,
  type LineFlags,
  limitRateOption,
  lineSettings,
  parsePlanes,
} from '../arguments.js';
import { printTraffic } from '../output/transfer.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags extends LineFlags {
  planes: string;
  to?: string;
  dryRun?: boolean;
  verbose?: boolean;
}

const EXAMPLE: DetachResult = {
  remote: 'origin',
  url: '/mnt/team/mnist.dlv',
  planes: 2,
  dryRun: false,
  segments: 84,
  bytes: 14_119_446,
  keptBytes: 0,
  requests: 9,
  receivedBytes: 14_126_069,
  sentBytes: 0,
};

function print(ui: Ui, result: DetachResult, isVerbose: boolean): void {
  const { remote, dryRun, segments, bytes, keptBytes } = result;
  const verb = dryRun ? 'would be freed' : 'freed';
  ui.note(
    segments === 0
      ? 'nothing to free'
      : `${formatBytes(bytes)} of ${formatCount(segments, 'segment')} ${verb}: '${remote}' has them`,
  );
  if (keptBytes > 0) {
    ui.note(
      `${formatBytes(keptBytes)} stay: no branch or tag of '${remote}' has them as they are here ('dlv push')`,
    );
  }
  if (isVerbose) printTraffic(ui, { ...result, resumedBytes: 0 });
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'detach', {
      summary: 'free low planes here that a remote has',
      about:
        'Keeps the k most significant bytes of each float here and leaves the others to a remote, which has to ' +
        'have them already. They are read from it and compared with the checksums here first, so this takes as ' +
        'long as fetching them. A remote that is a repository with a work tree is refused, since its owner may free or ' +
        'forget the same bytes. What no branch or tag of the remote has stays, and so does what kept tensors are deltas of. Afterwards the ' +
        "repository is like a clone made with --planes: exact content is fetched when it is needed, 'dlv fetch " +
        "--planes all' brings it back, and log, diff and approximate checkouts need no remote. It can be killed " +
        'at any moment: nothing is lost, and the next run goes on.',
      examples: [
        ['dlv detach --planes 2 --to origin', 'frees about half of an fp32 history or more'],
        ['dlv detach --planes 2 --dry-run', 'says how much'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such remote, or it cannot be reached', 12: 'the remote has other bytes' },
    })
    .requiredOption('--planes <k>', 'leading bytes of each float that stay, from 2')
    .option(
      '--to <remote>',
      "remote that keeps the rest (default: the current branch's, else origin)",
    )
    .option('-n, --dry-run', 'only say what would be freed')
    .option('-v, --verbose', 'show the traffic')
    .addOption(limitRateOption())
    .addOption(jobsOption())
    .action(
      cli.action(async (run, flags: Flags) => {
        const { detach } = await import('../../use/ops/detach.js');
        const { planes, to, dryRun, verbose } = flags;
        const options = {
          planes: parsePlanes(planes),
          ...(to === undefined ? {} : { to }),
          dryRun: dryRun === true,
          ...lineSettings(flags),
        };
        const result = await run.repository((repo) => detach(repo, options, run.context));
        run.report(result, (ui) => print(ui, result, verbose === true));
        return 0;
      }),
    );
}
