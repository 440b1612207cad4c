/** `dlv copy` on the command line. */
import type { Command } from 'commander';
import type { CopyOptions, CopyResult } from '../../use/ops/copy.js';
import { exampleId, noteFiles } from '../output/render.js';
import { formatBytes, formatCount } from '../output/ui.js';
import type { Cli } from '../run.js';

const EXAMPLE: CopyResult = {
  version: exampleId('51d07b3ce8'),
  model: 'mnist-wide',
  branch: 'main',
  number: 1,
  name: 'mnist-low@1',
  source: { version: exampleId('9c1f0e6f0b'), model: 'mnist', number: 3, name: 'mnist@3' },
  into: 'mnist-wide',
  files: 2,
  logicalBytes: 5733915,
  storedBytes: 612,
  metadataBytes: 240,
  written: [],
};

/** What a person does next: files that are not in the work tree are there after a second command. */
function nextStep({ model, into, files, written }: CopyResult): string {
  const goes = `'dlv switch ${model}' goes there`;
  if (files === 0 || written.length > 0) return goes;
  return `${goes}; 'dlv restore ${into === '' ? '.' : into}' at the root of the work tree then writes its files, as --checkout does at once`;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'copy', {
      summary: 'start a new model from a version',
      about:
        'Makes a model whose first version has <rev> as its parent and the same files, network ' +
        'and hyperparameters, but no metrics. No data is copied. Each path of the work tree ' +
        "belongs to one model: if the work tree has files of the source, the new model's files " +
        'go into a folder with its name, or into --into.',
      examples: [
        ['dlv copy mnist mnist-wide --checkout', 'a new model with its files in mnist-wide/'],
        ['dlv copy bert@3 bert-ft --into runs/ft', 'a new model with its files in runs/ft'],
        ['dlv copy bert@3 sketch --empty', 'only the lineage, no files'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such version, the model exists, or files are in the way' },
    })
    .argument('<rev>', 'version to start from')
    .argument('<name>', 'name of the new model')
    .option('--into <dir>', 'folder of the work tree for the files of the model')
    .option('--empty', 'copy no files')
    .option('--accept-tier', 'accept files whose exact bytes a tier has replaced')
    .option('--checkout', 'write the files of the model into the work tree')
    .option('-m, --message <text>', "message of its first version (default: 'copy of …')")
    .action(
      cli.action(
        async (
          run,
          revision: string,
          name: string,
          flags: Omit<CopyOptions, 'revision' | 'name'>,
        ) => {
          const { copy } = await import('../../use/ops/copy.js');
          const options = { revision, name, ...flags };
          const result = await run.repository((repo) => copy(repo, options, run.context));
          run.report(result, (ui) => {
            noteFiles(ui, { written: result.written, removed: [] });
            const { model, source, files, logicalBytes, into } = result;
            const where = into === '' ? '' : ` in '${into}'`;
            ui.note(
              `new model '${model}' from ${source.name}: ` +
                `${formatCount(files, 'file')}, ${formatBytes(logicalBytes)}${where}`,
            );
            ui.note(nextStep(result));
          });
          return 0;
        },
      ),
    );
}
