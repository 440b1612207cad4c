/** `dlv init` on the command line. */
import type { Command } from 'commander';
import type { InitOptions, InitResult } from '../../use/ops/init.js';
import type { Cli } from '../run.js';

const EXAMPLE: InitResult = { path: '/home/ada/mnist', model: 'mnist', branch: 'main' };

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'init', {
      summary: 'create an empty repository',
      about:
        'Creates the folder .dlv in <dir> (default: the current folder). Other files are not ' +
        'changed. git ignores .dlv automatically.',
      examples: [
        ['dlv init', 'in the folder that holds the models; the first model is named after it'],
        ['dlv init runs --model bert', 'in the folder runs, made if needed, for a model bert'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'there is a repository in that folder already' },
    })
    .argument('[dir]', 'folder for the repository')
    .option('--model <name>', "name of the first model (default: the folder's name)")
    .option('--branch <name>', 'name of its first branch (default: the setting init.branch)')
    .action(
      cli.action(async (run, dir: string | undefined, options: InitOptions) => {
        const { init } = await import('../../use/ops/init.js');
        const result = await init(run.context, { ...options, dir });
        run.answer(result, () => {
          run.ui.note(`made an empty repository in '${result.path}'`);
          run.ui.note(`model '${result.model}', branch '${result.branch}'`);
        });
        return 0;
      }),
    );
}
