/** `dlv switch` on the command line. */
import type { Command } from 'commander';
import type { SwitchOptions, SwitchResult } from '../../use/ops/switch.js';
import { exampleId, noteFiles, shortId } from '../output/render.js';
import type { Cli, Run } from '../run.js';

const EXAMPLE: SwitchResult = {
  model: 'mnist',
  branch: 'wider',
  version: exampleId('9c1f0e6f0b'),
  created: true,
  before: { model: 'mnist', branch: 'main' },
  written: [],
  removed: [],
  carried: ['notes.txt'],
};

/** Runs the op and answers; `dlv checkout -b` and `dlv checkout -` do the same. */
export async function goTo(run: Run, options: SwitchOptions): Promise<number> {
  const { switchTo } = await import('../../use/ops/switch.js');
  const result = await run.repository((repo) => switchTo(repo, options, run.context));
  run.answer(result, (ui) => {
    noteFiles(ui, result);
    const { model, branch, version, created } = result;
    if (branch !== null) ui.note(`${created ? 'new branch' : 'on branch'} '${model}/${branch}'`);
    else if (version !== null) {
      ui.note(`HEAD is at ${shortId(version)} of '${model}', on no branch`);
    }
  });
  return 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'switch', {
      summary: 'go to another model or branch',
      about:
        'A model: HEAD goes where that model stands, and no file is touched. A branch: the tracked ' +
        'files of its model become those of its version; refused over changes that are in no ' +
        'version. -c makes the branch first, where its line stands or at <start>.',
      examples: [
        ['dlv switch bert', 'works on the model bert; files stay'],
        ['dlv switch bert/wider', 'goes to the branch wider of bert'],
        ['dlv switch -', 'goes back to the branch before'],
        ['dlv switch -c wider', 'makes a branch here and goes there; changes stay'],
        ['dlv switch -c retry mnist@3', 'makes a branch at the third version'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such model or branch, it exists already, or changes would be lost' },
    })
    .argument(
      '<name>',
      'model, branch of the current model, or <model>/<branch>; - is where HEAD was before',
    )
    .argument('[start]', 'with -c: version that the branch begins at')
    .option('-c, --create', 'make the branch')
    .action(
      cli.action((run, name: string, start: string | undefined, flags: { create?: boolean }) =>
        goTo(run, {
          name: name === '-' ? null : name,
          ...flags,
          ...(start === undefined ? {} : { start }),
        }),
      ),
    );
}
