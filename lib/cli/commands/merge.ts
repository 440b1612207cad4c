/** `dlv merge` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { MergeOptions, MergeResult } from '../../use/ops/merge.js';
import { splitPlace } from '../arguments.js';
import { EXAMPLE_VERSION, exampleId, noteFiles, subject } from '../output/render.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  strategyOption?: string;
  ffOnly?: boolean;
  ff?: boolean;
  message?: string;
  commit?: boolean;
  dryRun?: boolean;
  average?: boolean;
  slerp?: boolean;
  task?: boolean;
  ties?: boolean;
  dare?: boolean;
  lora?: string;
  weights?: string;
  lambda?: string;
  density?: string;
  t?: string;
  elect?: boolean;
  seed?: string;
  base?: string;
}

const CALLED = {
  version: EXAMPLE_VERSION.version,
  model: EXAMPLE_VERSION.model,
  number: EXAMPLE_VERSION.number,
  name: EXAMPLE_VERSION.name,
};

const EXAMPLE: MergeResult = {
  dryRun: false,
  outcome: 'merged',
  version: exampleId('9c1f0e6f0b'),
  number: 5,
  model: 'mnist',
  branch: 'main',
  base: CALLED,
  merged: [{ ...CALLED, version: exampleId('4be2a97d10'), number: 4, name: 'mnist@4' }],
  operation: null,
  message: 'Merge mnist@4 into mnist/main',
  changes: [{ path: 'model.safetensors', status: 'modified' }],
  tensors: [{ path: 'model.safetensors', theirs: 2, tensors: 8 }],
  combined: 0,
  left: [],
  written: ['model.safetensors'],
  removed: [],
};

const METHODS = ['average', 'slerp', 'task', 'ties', 'dare'] as const;

function toNumber(text: string, flag: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new UsageError(`${flag} is '${text}', not a number`);
}

/** How weights are combined, or undefined for a merge by files. */
function methodOf(flags: Flags): MergeOptions['combine'] {
  const chosen = METHODS.filter((name) => flags[name] === true);
  const [method, other] = chosen;
  if (other !== undefined) throw new UsageError(`--${method} and --${other} are two methods`);
  const { weights, lambda, density, t, elect, seed, base } = flags;
  const numbers = {
    ...(weights === undefined
      ? {}
      : { weights: weights.split(',').map((text) => toNumber(text, '--weights')) }),
    ...(lambda === undefined ? {} : { lambda: toNumber(lambda, '--lambda') }),
    ...(density === undefined ? {} : { density: toNumber(density, '--density') }),
    ...(t === undefined ? {} : { t: toNumber(t, '--t') }),
    ...(elect ? { elect } : {}),
    ...(seed === undefined ? {} : { seed: toNumber(seed, '--seed') }),
    ...(base === undefined ? {} : { base }),
  };
  if (method !== undefined) return { method, ...numbers };
  const [name] = Object.keys(numbers);
  if (name === undefined) return undefined;
  throw new UsageError(`--${name} is a number of a method`, {
    hint: `add the method: ${METHODS.map((one) => `--${one}`).join(', ')}`,
  });
}

type Choice = NonNullable<MergeOptions['choices']>[number];

/** @param given  what --ours and --theirs chose, in their order. */
function optionsOf(revisions: string[], flags: Flags, given: readonly Choice[]): MergeOptions {
  const { strategyOption: side, lora, message } = flags;
  if (side !== undefined && side !== 'ours' && side !== 'theirs') {
    throw new UsageError(`-X is '${side}'`, { hint: 'write ours or theirs' });
  }
  const choices = [...(side === undefined ? [] : [{ side, pattern: '**' } as const]), ...given];
  const combine = methodOf(flags);
  return {
    revisions,
    ...(combine === undefined ? {} : { combine }),
    ...(lora === undefined ? {} : { adapter: splitPlace(lora) }),
    ...(choices.length > 0 ? { choices } : {}),
    fastForward: flags.ffOnly ? 'only' : flags.ff === false ? 'never' : 'if possible',
    ...(message === undefined ? {} : { message }),
    noCommit: flags.commit === false,
    dryRun: flags.dryRun === true,
  };
}

/** What a merge would have done. */
const WOULD: Readonly<Record<MergeResult['outcome'], string>> = {
  'up to date': 'there is nothing to merge',
  'fast-forward': 'the branch would move on',
  merged: 'it would be merged',
  staged: 'it would be staged',
};

function print(ui: Ui, result: MergeResult): void {
  const line = (text: string): void => {
    if (!ui.quiet || result.dryRun) ui.line(text);
  };
  const { outcome, version, model, branch, message, changes, tensors, combined, dryRun } = result;
  if (outcome === 'up to date') {
    line(`Already up to date: ${model}/${branch} has ${result.merged[0]?.name}.`);
    return;
  }
  const of = new Map(tensors.map((row) => [row.path, row]));
  for (const { path, status } of changes) {
    const row = of.get(path);
    const note =
      row === undefined ? '' : ` (${row.theirs} of ${row.tensors} tensors from the other version)`;
    line(`${status}  ${path}${note}`);
  }
  if (combined > 0) line(`${formatCount(combined, 'tensor')} computed`);
  noteFiles(ui, result);
  if (dryRun) ui.note(`${WOULD[outcome]}; nothing was changed`);
  else if (version === null) ui.note("staged; 'dlv commit' makes the version");
  else if (outcome === 'fast-forward') {
    line(`${model}/${branch} moved on to ${result.merged[0]?.name}`);
  } else line(`[${model}/${branch} ${version.slice(0, 10)}] ${subject(message)}`);
}

export function register(program: Command, cli: Cli): void {
  const choices: Choice[] = [];
  const choose =
    (side: Choice['side']) =>
    (pattern: string): void => {
      choices.push({ side, pattern });
    };
  cli
    .command(program, 'merge', {
      summary: 'join another version into the current branch, or combine weights of several',
      about:
        'Makes a version on the current branch that derives from both. A file that one side alone ' +
        'changed since their common version is taken from that side; of a file with tensors that ' +
        'both changed, each tensor that one side alone changed is. What both changed is a conflict: ' +
        'nothing is merged until --ours or --theirs decides it; the last pattern that matches holds. If the branch has nothing of its ' +
        'own, it moves on to the other version.\n\nWith a method, the weights are computed instead, ' +
        'in float64, and rounded once; all other files stay as they are here. --average takes the ' +
        'weighted mean; --slerp goes along the arc between two versions; --task adds the changes of ' +
        'all versions since their common base, times --lambda; --ties keeps the largest changes of ' +
        'each and leaves out those against the majority sign; --dare keeps changes drawn at random. ' +
        '--lora folds a low-rank adapter, as PEFT saves it, into the weights. The version records ' +
        'the method, its numbers and its inputs.',
      examples: [
        ['dlv merge wide-lr', 'joins the branch wide-lr'],
        ["dlv merge wide-lr --theirs '#fc2.*'", 'takes tensors in conflict from the other side'],
        ['dlv merge mnist@4 mnist@6 --average --weights 1,1,2', 'HEAD and two versions, weighted'],
        [
          'dlv merge ft-a ft-b --ties --density 0.3',
          'two fine-tunes of HEAD, if HEAD is their base',
        ],
        ['dlv merge --lora :runs/adapter', 'folds the adapter in that folder of HEAD'],
        ['dlv merge wide-lr --dry-run --json', 'says what would be merged'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'both sides changed something, changes are staged or would be lost, or the weights do not fit',
      },
    })
    .argument('[revs...]', 'versions to merge; several only with a method')
    .option(
      '--ours <glob>',
      'conflicts taken from this side: <path> or <path>#<tensor>',
      choose('ours'),
    )
    .option('--theirs <glob>', 'conflicts taken from the other side', choose('theirs'))
    .option('-X, --strategy-option <side>', 'ours or theirs: all conflicts from one side')
    .option('--ff-only', 'only move the branch on, or fail')
    .option('--no-ff', 'make a version even if the branch could move on')
    .option('--average', 'weighted mean of the weights')
    .option('--slerp', 'spherical interpolation of two versions')
    .option('--task', 'task arithmetic: base + lambda × sum of changes')
    .option('--ties', 'TIES: trim, elect signs, merge')
    .option('--dare', 'DARE: drop changes at random and rescale')
    .option('--lora <place>', 'fold the LoRA adapter at <rev>, <rev>:<folder> or :<folder>')
    .option('--weights <numbers>', 'a factor for each version, HEAD first: 1,0.5')
    .option('--lambda <number>', 'factor of the summed changes (default: 1)')
    .option('--density <share>', 'share of changes kept (default: 0.2 for --ties, 0.1 for --dare)')
    .option('--t <number>', 'place between the two of --slerp, 0 to 1 (default: 0.5)')
    .option('--elect', 'with --dare: leave out changes against the majority sign')
    .option('--seed <n>', 'of what --dare draws (default: 0)')
    .option('--base <rev>', 'version that changes are told from (default: the common ancestor)')
    .option('-m, --message <text>', 'message of the version')
    .option('--no-commit', 'change and stage the files, but make no version')
    .option('--dry-run', 'only print what would be done')
    .action(
      cli.action(async (run, revisions: string[], flags: Flags) => {
        const { merge } = await import('../../use/ops/merge.js');
        const options = optionsOf(revisions, flags, choices);
        const result = await run.repository((repo) => merge(repo, options, run.context));
        run.report(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
