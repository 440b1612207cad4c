/** `dlv clone` on the command line. */
import type { Command } from 'commander';
import type { CloneOptions, CloneResult } from '../../use/ops/clone.js';
import { jobsOption, type LineFlags, limitRateOption, lineSettings } from '../arguments.js';
import { exampleId, shortId } from '../output/render.js';
import { printTraffic, versionsAndBytes } from '../output/transfer.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags extends LineFlags {
  branch?: string;
  origin?: string;
  checkout?: boolean;
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

function print(ui: Ui, result: CloneResult, isVerbose: boolean): void {
  const { path, model, branch, version, written } = result;
  ui.note(`made a repository in '${path}': ${versionsAndBytes(result)}`);
  if (version !== null) {
    ui.note(
      `on '${model}/${branch}' at ${shortId(version)}, ${formatCount(written.length, 'file')} written`,
    );
  }
  if (isVerbose) printTraffic(ui, result);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'clone', {
      summary: 'make a repository of what a remote holds',
      about:
        'Makes a folder with a repository of all versions of a remote, and checks its branch out. The remote ' +
        "is named origin there. HEAD's branch, and one of each other model, are made and follow those of the " +
        "remote; 'dlv branch -r' lists all. <url> is a folder with a remote, another repository, a bucket (s3://…) or a web server. What " +
        'arrives is decoded and compared with its ids before anything can see it. An interrupted clone goes on ' +
        'where it was when the same command is run again.',
      examples: [
        ['dlv clone /mnt/team/mnist.dlv', 'makes the folder mnist'],
        ['dlv clone https://models.example.org/mnist.dlv', 'from a server of static files'],
        ['dlv clone s3://team-models/mnist', 'from a bucket'],
        ['dlv clone ../colleague/mnist copy', "a colleague's repository, into the folder copy"],
        ['dlv clone /mnt/team/models.dlv --branch bert/main', 'and checks out that branch'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'the folder is not empty, or the remote cannot be reached' },
    })
    .argument('<url>', 'address of the remote')
    .argument('[dir]', 'folder of the new repository (default: the last part of the address)')
    .option('-b, --branch <name>', 'branch to check out: <branch>, or <model>/<branch>')
    .option('-o, --origin <name>', 'name of the remote (default: origin)')
    .option('--no-checkout', 'write no work files')
    .option('-v, --verbose', 'show what crossed the line')
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
        };
        const result = await clone(run.context, options);
        run.answer(result, (ui) => print(ui, result, flags.verbose === true));
        return 0;
      }),
    );
}
