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
  upstream: null,
  before: { model: 'mnist', branch: 'main' },
  written: [],
  removed: [],
  carried: ['notes.txt'],
};

type Flags = Pick<SwitchOptions, 'create' | 'track'>;

/** Runs the op and answers; `dlv checkout -b` and `dlv checkout -` do the same. */
export async function goTo(run: Run, options: SwitchOptions): Promise<number> {
  const { switchTo } = await import('../../use/ops/switch.js');
  const result = await run.repository((repo) => switchTo(repo, options, run.context));
  run.report(result, (ui) => {
    noteFiles(ui, result);
    const { model, branch, version, created, upstream } = result;
    if (branch !== null) ui.note(`${created ? 'new branch' : 'on branch'} '${model}/${branch}'`);
    else if (version !== null) {
      ui.note(`HEAD is at ${shortId(version)} of '${model}', on no branch`);
    }
    if (upstream !== null) ui.note(`'${model}/${branch}' follows '${upstream}'`);
  });
  return 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'switch', {
      summary: 'switch to another model or branch',
      about:
        "If <name> is a model, HEAD moves to that model's current branch, and no file changes. " +
        'If it is a branch, the tracked files of its model become those of the branch; the ' +
        'command fails if that would overwrite changes that are in no version. -c creates the ' +
        'branch first, at <start> or at the current version. If only a remote has a branch <name>, dlv makes a branch here that starts at the one ' +
        'there and follows it; -c with a branch of a remote as <start>, and -t with its name, do the same.',
      examples: [
        ['dlv switch bert', 'switches to the model bert; no file changes'],
        ['dlv switch bert/wider', 'switches to the branch wider of bert'],
        ['dlv switch -', 'goes back to the previous branch'],
        ['dlv switch -c wider', 'creates a branch here and switches to it; changes are kept'],
        [
          'dlv switch low-rate',
          'the first time for a branch of a remote: makes one that follows it',
        ],
        ['dlv switch -t origin/low-rate', 'the same, where several remotes have one'],
        ['dlv switch -c retry mnist@3', 'creates a branch at the third version'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such model or branch, it exists already, or changes would be lost' },
    })
    .argument(
      '<name>',
      'model, branch of the current model, or <model>/<branch>; - is the previous position of HEAD',
    )
    .argument('[start]', 'with -c: version at which the branch starts')
    .option('-c, --create', 'create the branch')
    .option('-t, --track', 'create a branch that follows <name>, a branch of a remote')
    .option('--no-track', 'with -c: follow no branch of a remote')
    .action(
      cli.action((run, name: string, start: string | undefined, flags: Flags) =>
        goTo(run, {
          name: name === '-' ? null : name,
          ...flags,
          ...(start === undefined ? {} : { start }),
        }),
      ),
    );
}
