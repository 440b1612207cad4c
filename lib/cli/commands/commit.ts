/** `dlv commit` on the command line. */
import type { Command } from 'commander';
import type { CommitResult } from '../../use/ops/commit.js';
import { type Level, levelOption, parseMetrics, parseParams, parseStep } from '../arguments.js';
import { type Cli, collect } from '../run.js';
import { formatBytes, formatCount, formatDuration } from '../ui.js';

interface Flags {
  message?: string;
  all?: boolean;
  model?: string;
  param?: string[];
  metric?: string[];
  log?: string[];
  step?: string;
  parent?: string[];
  allowEmpty?: boolean;
  level?: Level;
}

const EXAMPLE: CommitResult = {
  version:
    '9c1f0e6f0b4c3b1a0d5e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c' as CommitResult['version'],
  model: 'mnist',
  branch: 'main',
  number: 3,
  files: 2,
  tensors: 26,
  logicalBytes: 5733904,
  storedBytes: 2913280,
  metadataBytes: 2320,
  seconds: 0.42,
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'commit', {
      summary: 'make a version of what is staged',
      about:
        'storedBytes counts the pack files written for this version since its parent, also by ' +
        "'dlv add'. A metric may carry a step: --metric loss@2000=0.31.",
      examples: [
        ["dlv commit -m 'first run'", 'makes a version of the staged files'],
        [
          "dlv commit -a -m 'step 3000' --step 3000 --metric accuracy=0.92",
          'stages tracked files first',
        ],
        [
          "dlv commit -m 'fine-tuned' --parent bert@4",
          'records that it derives from another model too',
        ],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'nothing to commit, or the branch moved meanwhile' },
    })
    .requiredOption('-m, --message <text>', 'what this version is')
    .option('-a, --all', 'stage every tracked file that changed or is gone first')
    .option('--model <name>', "model line to commit (default: HEAD's)")
    .option('--param <name=value>', 'hyperparameter; may be repeated', collect)
    .option('--metric <name=number>', 'measured result; may be repeated', collect)
    .option('--log <file>', 'training log to keep with the version; may be repeated', collect)
    .option('--step <n>', 'training step of the snapshots that changed')
    .option(
      '--parent <rev>',
      'further version that this one derives from; may be repeated',
      collect,
    )
    .option('--allow-empty', 'make a version even if no file changed')
    .addOption(levelOption('effort of the encoder for --all'))
    .action(
      cli.action(async (run, flags: Flags) => {
        const { commit } = await import('../../use/ops/commit.js');
        const result = await run.repository((repo) =>
          commit(
            repo,
            {
              message: flags.message as string,
              all: flags.all === true,
              allowEmpty: flags.allowEmpty === true,
              params: parseParams(flags.param ?? []),
              metrics: parseMetrics(flags.metric ?? []),
              logs: flags.log ?? [],
              parents: flags.parent ?? [],
              ...(flags.model === undefined ? {} : { model: flags.model }),
              ...(flags.level === undefined ? {} : { level: flags.level }),
              ...(flags.step === undefined ? {} : { step: parseStep(flags.step) }),
            },
            run.context,
          ),
        );
        run.answer(result, (ui) => {
          const title = (flags.message as string).split('\n', 1)[0] as string;
          ui.line(`[${result.model}/${result.branch} ${result.version.slice(0, 10)}] ${title}`);
          ui.note(
            `${result.model}@${result.number}: ${formatCount(result.files, 'file')}, ` +
              `${formatCount(result.tensors, 'tensor')}, ${formatBytes(result.logicalBytes)} ` +
              `stored in ${formatBytes(result.storedBytes)}, ${formatDuration(result.seconds)}`,
          );
        });
        return 0;
      }),
    );
}
