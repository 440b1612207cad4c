/** `dlv add` on the command line. */
import type { Command } from 'commander';
import type { AddResult } from '../../use/ops/add.js';
import { type Level, levelOption, parseStep } from '../arguments.js';
import { formatBytes, formatCount, formatDuration } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  model?: string;
  step?: string;
  force?: boolean;
  rehash?: boolean;
  level?: Level;
}

const EXAMPLE: AddResult = {
  model: 'mnist',
  files: [
    {
      path: 'model.safetensors',
      status: 'added',
      bytes: 5733472,
      format: 'safetensors',
      tensors: 26,
    },
  ],
  logicalBytes: 5733472,
  storedBytes: 4731392,
  metadataBytes: 2320,
  seconds: 0.31,
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'add', {
      summary: 'store files and stage them for the next version',
      about:
        'Takes files, folders and globs. Folders are walked with the rules of .dlvignore; tracked ' +
        'files that are gone are staged as removed. The content is stored now: later edits do not ' +
        'change what is staged. The format is told by content: safetensors, ONNX, PyTorch, NumPy; ' +
        'anything else is kept as it is.',
      examples: [
        ['dlv add model.safetensors config.json', 'stages two files for the model that HEAD names'],
        ['dlv add .', 'stages everything that is not ignored'],
        ["dlv add 'runs/**/*.pt' --model bert", 'stages what the glob matches for the model bert'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such file, a file of another model, or a file that changed meanwhile' },
    })
    .argument('<paths...>', 'files, folders or globs')
    .option('--model <name>', "model that new files belong to (default: HEAD's)")
    .option('--step <n>', 'training step of these files')
    .option('-f, --force', 'add ignored files that are named')
    .option('--rehash', 'read every file, whatever its size and times say')
    .addOption(levelOption('effort of the encoder (default: the setting codec.level)'))
    .action(
      cli.action(async (run, paths: string[], flags: Flags) => {
        const { add } = await import('../../use/ops/add.js');
        const { step, ...rest } = flags;
        const options = {
          ...rest,
          paths,
          ...(step === undefined ? {} : { step: parseStep(step) }),
        };
        const result = await run.repository((repo) => add(repo, options, run.context));
        run.answer(result, (ui) => {
          const touched = result.files.filter((file) => file.status !== 'unchanged');
          for (const file of touched) {
            const what =
              file.tensors > 0 ? ` (${file.format}, ${formatCount(file.tensors, 'tensor')})` : '';
            ui.note(`${file.status} '${file.path}'${what}`);
          }
          ui.note(
            `${formatCount(touched.length, 'file')} staged for '${result.model}': ` +
              `${formatBytes(result.logicalBytes)} stored in ${formatBytes(result.storedBytes)}, ` +
              formatDuration(result.seconds),
          );
        });
        return 0;
      }),
    );
}
