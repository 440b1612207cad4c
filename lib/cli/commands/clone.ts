/** `dlv clone` on the command line. */
import type { Command } from 'commander';
import type { CloneOptions, CloneResult } from '../../use/ops/clone.js';
import {
  jobsOption,
  type LineFlags,
  limitRateOption,
  lineSettings,
  parsePlanes,
  parsePositive,
} from '../arguments.js';
import { collect } from '../flags.js';
import { exampleId, shortId } from '../output/render.js';
import { printTraffic, versionsAndBytes } from '../output/transfer.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags extends LineFlags {
  branch?: string;
  origin?: string;
  checkout?: boolean;
  model?: string;
  singleBranch?: boolean;
  depth?: string;
  only?: string[];
  planes?: string;
  verbose?: boolean;
}

const EXAMPLE: CloneResult = {
  path: '/home/ada/mnist',
  remote: 'origin',
  url: '/mnt/team/mnist.dlv',
  model: 'mnist',
  branch: 'main',
  version: exampleId('9c1f0e6f0b'),
  written: ['model.safetensors'],
  refs: [],
  versions: 3,
  bytes: 1_482_133,
  resumedBytes: 0,
  requests: 7,
  receivedBytes: 1_489_012,
  sentBytes: 0,
};

function print(ui: Ui, result: CloneResult, { verbose = false, planes }: Flags): void {
  const { path, model, branch, version, written } = result;
  ui.note(`made a repository in '${path}': ${versionsAndBytes(result)}`);
  if (version !== null) {
    ui.note(
      `on '${model}/${branch}' at ${shortId(version)}, ${formatCount(written.length, 'file')} written`,
    );
  }
  if (version !== null && planes !== undefined) {
    ui.note(
      `no work files are written: 'dlv checkout --planes ${planes} --out <dir>' writes approximate ones, ` +
        "'dlv checkout HEAD' fetches what is missing and writes exact ones",
    );
  }
  if (verbose) printTraffic(ui, result);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'clone', {
      summary: 'make a repository of what a remote holds',
      about:
        'Makes a folder with a repository of all versions of a remote, and checks its branch out. The remote ' +
        "is named origin there. HEAD's branch, and one of each other model, are made and follow those of the " +
        "remote; 'dlv branch -r' lists all. <url> is a folder with a remote, another repository, a bucket (s3://…) or a web server. What " +
        'arrives is decoded and compared with its ids before anything can see it. If a clone is interrupted, the same command resumes it.\n\nA clone may be partial. --depth, --only and --planes ' +
        'take part of the content. The history, its notes and logs are complete; the remote ' +
        'keeps what is left out, and checkout, cat, diff or eval fetch it when they need it ' +
        '(with --no-fetch they fail instead). ' +
        "'dlv fetch' with '--planes all', '--depth all' or '--only all' brings the rest. With --planes no work " +
        'files are written: dlv checkout --planes <k> --out <dir> writes approximate copies without fetching anything.',
      examples: [
        ['dlv clone /mnt/team/mnist.dlv', 'makes the folder mnist'],
        ['dlv clone https://models.example.org/mnist.dlv', 'from a server of static files'],
        ['dlv clone s3://team-models/mnist', 'from a bucket'],
        ['dlv clone ../colleague/mnist copy', "a colleague's repository, into the folder copy"],
        ['dlv clone /mnt/team/models.dlv --branch bert/main', 'and checks out that branch'],
        [
          'dlv clone /mnt/team/mnist.dlv --depth 1',
          'with the files of the last version of each branch',
        ],
        [
          'dlv clone /mnt/team/mnist.dlv --planes 2',
          'about half of the bytes: fp32 to about 3 digits',
        ],
        ["dlv clone /mnt/team/llm.dlv --only '*.safetensors'", 'without optimiser states'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'the folder is not empty, or the remote cannot be reached' },
    })
    .argument('<url>', 'address of the remote')
    .argument('[dir]', 'folder of the new repository (default: the last part of the address)')
    .option('-b, --branch <name>', 'branch to check out: <branch>, or <model>/<branch>')
    .option('-o, --origin <name>', 'name of the remote (default: origin)')
    .option('--model <name>', 'only the branches of this model')
    .option('--single-branch', 'only the branch that is checked out')
    .option('--depth <n>', 'files of the n newest versions of each branch; older ones when needed')
    .option('--only <glob>', 'only files that match (may be repeated); others when needed', collect)
    .option(
      '--planes <k>',
      'only the k leading bytes of each float, from 2 (1 takes as much); the others when needed',
    )
    .option('--no-checkout', 'write no work files')
    .option('-v, --verbose', 'show the traffic')
    .addOption(limitRateOption())
    .addOption(jobsOption())
    .action(
      cli.action(async (run, url: string, dir: string | undefined, flags: Flags) => {
        const { clone } = await import('../../use/ops/clone.js');
        const options: CloneOptions = {
          url,
          ...(dir === undefined ? {} : { dir }),
          ...(flags.branch === undefined ? {} : { branch: flags.branch }),
          ...(flags.origin === undefined ? {} : { origin: flags.origin }),
          noCheckout: flags.checkout === false,
          ...lineSettings(flags),
          ...(flags.model === undefined ? {} : { model: flags.model }),
          singleBranch: flags.singleBranch === true,
          ...(flags.depth === undefined ? {} : { depth: parsePositive(flags.depth, '--depth') }),
          ...(flags.only === undefined ? {} : { only: flags.only }),
          ...(flags.planes === undefined ? {} : { planes: parsePlanes(flags.planes) }),
        };
        const result = await clone(run.context, options);
        run.report(result, (ui) => print(ui, result, flags));
        return 0;
      }),
    );
}
