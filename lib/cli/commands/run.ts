/** `dlv run` on the command line. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { RunOptions, RunResult, RunSurroundings } from '../../use/ops/run.js';
import { parseCount, parseParams } from '../arguments.js';
import { collect } from '../flags.js';
import { exampleId } from '../output/render.js';
import { LiveLine } from '../output/runs/live-line.js';
import { noteResult, printRun, printRuns, statusLine } from '../output/runs/run-tables.js';
import { formatCount } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  name?: string;
  branch?: string;
  checkpoints?: string[];
  log?: string[];
  param?: string[];
  resume?: string;
  recover?: string | true;
  dryRun?: boolean;
  last?: string;
  thin?: boolean;
  commitHeld?: string;
  asIs?: string;
  end?: boolean;
  hurry?: boolean;
  track?: string;
}

const EXAMPLE: RunResult = {
  run: '3f9a1c2b04',
  name: null,
  model: 'mnist',
  branch: 'run-3f9a1c2b04',
  state: 'finished',
  code: 0,
  signal: null,
  seconds: 3721.4,
  cpuSeconds: 7190.2,
  peakBytes: 2147483648,
  metrics: [{ name: 'loss', count: 600, step: 3000, last: 0.21 }],
  problems: ['a checkpoint is not stored yet: the disk is full (ENOSPC)'],
  checkpoints: [
    {
      ...{ n: 1, place: 'out/checkpoint-500', step: 500, files: 8, bytes: 272629760 },
      ...{ state: 'committed', version: exampleId('9c1f0e6f0b'), number: 3, problem: null },
    },
  ],
  resumed: {
    checkpoint: '/home/ada/mnist/out/checkpoint-500',
    step: 500,
    restored: ['out/checkpoint-500/optimizer.pt'],
    setAside: [{ from: 'out/checkpoint-600', to: 'out/checkpoint-600.incomplete' }],
  },
};

/** Actions besides running, by their names. */
export const ACTIONS = new Set(['list', 'ls', 'show', 'log', 'logs']);
/** What a shell says of a program that was ended by a signal. */
const SIGNAL_CODE = 128;

async function showList(run: Run, flags: Flags): Promise<number> {
  const { listRuns } = await import('../../use/ops/runs.js');
  const limit = flags.last === undefined ? {} : { limit: parseCount(flags.last, '--last') };
  const runs = await run.repository((repo) => listRuns(repo, limit, run.context));
  run.answer(runs, (ui) => printRuns(ui, runs));
  return 0;
}

async function look(
  run: Run,
  action: string,
  names: readonly string[],
  flags: Flags,
): Promise<number> {
  if (action === 'list' || action === 'ls') {
    if (names.length > 0)
      throw new UsageError("dlv run list takes no names: 'dlv run show <run>' does");
    return showList(run, flags);
  }
  const [name, ...more] = names;
  if (name === undefined || more.length > 0) {
    throw new UsageError(`dlv run ${action} takes the id of one run`, {
      hint: "'dlv run list' shows them",
    });
  }
  const ops = await import('../../use/ops/runs.js');
  if (action === 'show') {
    const found = await run.repository((repo) =>
      ops.showRun(repo, { name, isThin: flags.thin === true }),
    );
    run.answer(found, (ui) => printRun(ui, found));
    return 0;
  }
  const bytes = await run.repository((repo) => ops.readOutput(repo, name));
  if (run.ui.json) run.answer({ output: Buffer.from(bytes).toString() }, () => {});
  else await run.ui.bytes(bytes);
  return 0;
}

async function recover(run: Run, name: string | true): Promise<number> {
  const { recoverRuns } = await import('../../use/ops/runs.js');
  const recovered = await run.repository((repo) => {
    return recoverRuns(repo, name === true ? null : name, run.context);
  });
  run.answer(recovered, (ui) => {
    if (recovered.length === 0) ui.note('nothing to recover');
    for (const { run: id, made, left, model, branch } of recovered) {
      ui.line(`run ${id}: ${formatCount(made.length, 'version')} made on ${model}/${branch}`);
      for (const { place, problem } of left) ui.line(`  '${place}' is no version: ${problem}`);
    }
  });
  return recovered.some(({ left }) => left.some(({ problem }) => /cannot|full/.test(problem)))
    ? 1
    : 0;
}

function refuseInBatch({ host }: Run): void {
  if (host.asker === undefined) return;
  throw new UsageError('dlv batch answers requests, and runs no command', {
    hint: "start 'dlv run' by itself",
  });
}

/** Makes versions of what a run holds, and says of each what became of it: a line of JSON. */
async function commitHeld(run: Run, flags: Flags): Promise<number> {
  refuseInBatch(run);
  const { commitHeldOf, yieldToOthers } = await import('../../use/ops/runs.js');
  if (run.host.self !== undefined && !flags.hurry) yieldToOthers();
  const asIs = new Set((flags.asIs ?? '').split(',').filter(Boolean).map(Number));
  const request = {
    run: flags.commitHeld as string,
    asIs,
    end: flags.end === true,
    hurry: flags.hurry === true,
  };
  await run.repository((repo) =>
    commitHeldOf(
      repo,
      request,
      (outcome) => run.host.stdout.write(`${JSON.stringify(outcome)}\n`),
      run.context,
    ),
  );
  return 0;
}

function optionsOf(command: readonly string[], flags: Flags): RunOptions {
  return {
    command,
    params: parseParams(flags.param ?? []),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.branch === undefined ? {} : { branch: flags.branch }),
    ...(flags.checkpoints === undefined ? {} : { checkpoints: flags.checkpoints }),
    ...(flags.log === undefined ? {} : { logs: flags.log }),
    ...(flags.resume === undefined ? {} : { resume: flags.resume }),
  };
}

/** The terminal around a run. With --json the answer alone is on stdout: what the command prints goes to stderr. */
function surroundingsOf(run: Run, live: LiveLine): RunSurroundings {
  const { host, ui } = run;
  const colours = (ui.json ? host.stderr : host.stdout).isTTY === true && !host.env.NO_COLOR;
  return {
    env: {
      ...host.env,
      ...(colours && host.env.FORCE_COLOR === undefined ? { FORCE_COLOR: '1' } : {}),
    },
    self: host.self ?? null,
    signals: (handler) => host.takeSignals?.(handler) ?? (() => {}),
    status: (status) => live.show(() => statusLine(status)),
    output: (stream, chunk) => {
      const to = stream === 'err' || ui.json ? host.stderr : host.stdout;
      if (to.isTTY) live.before(chunk);
      if (to.closed || to.write(chunk)) return null;
      return new Promise((resolve) => to.once('drain', resolve));
    },
  };
}

async function carryOut(run: Run, command: readonly string[], flags: Flags): Promise<number> {
  refuseInBatch(run);
  const ops = await import('../../use/ops/run.js');
  const options = optionsOf(command, flags);
  if (flags.dryRun) {
    const preview = await run.repository((repo) => ops.dryRun(repo, options, run.env, run.context));
    run.answer(preview, (ui) => {
      ui.line(`would run: ${preview.command.join(' ')}`);
      ui.line(
        `versions would go to ${preview.model}/${preview.branch ?? 'a branch of its own, run-<id>'}`,
      );
      for (const [name, text] of Object.entries(preview.params)) ui.line(`  ${name} = ${text}`);
      for (const place of preview.known)
        ui.line(`  '${place}' was there before the run started and is left out`);
    });
    return 0;
  }
  const live = new LiveLine(run.ui.stderr, !run.ui.quiet && !run.ui.json);
  const warn = run.context.warn.bind(run.context);
  const context = {
    ...run.context,
    warn: (message: string, when?: 'last') => {
      live.clear();
      warn(message, when);
    },
  };
  const surroundings = surroundingsOf(run, live);
  let result: RunResult;
  try {
    result = await ops.run((action) => run.repository(action), options, surroundings, context);
  } finally {
    live.clear();
  }
  run.answer(result, (ui) => noteResult(ui, result));
  if (result.signal !== null) return SIGNAL_CODE + signalNumber(result.signal);
  if (result.code !== null && result.code !== 0) return result.code;
  return result.checkpoints.some(({ state }) => /failed|held|writing/.test(state)) ? 1 : 0;
}

function signalNumber(name: string): number {
  const { constants } = process.getBuiltinModule('node:os');
  return constants.signals[name as NodeJS.Signals] ?? 0;
}

async function action(run: Run, words: string[], flags: Flags): Promise<number> {
  const { before, after } = run.split(words);
  if (flags.commitHeld !== undefined) return commitHeld(run, flags);
  if (flags.track !== undefined) {
    const text = flags.track;
    const { track } = await import('../../use/ops/track.js');
    const answer = await run.repository((repo) => track(repo, text, run.context));
    run.answer(answer, () => {});
    return 0;
  }
  if (flags.recover !== undefined) return recover(run, before[0] ?? flags.recover);
  const [first, ...rest] = before;
  if (first !== undefined && after === null && ACTIONS.has(first))
    return look(run, first, rest, flags);
  if (first !== undefined) {
    throw new UsageError(`unknown action '${first}': the command to run comes after '--'`, {
      hint: "'dlv run -- python train.py' runs a command; list, show and log are actions",
    });
  }
  return carryOut(run, after ?? [], flags);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'run', {
      summary: 'run a training, and make a version of each checkpoint while it goes on',
      about:
        'Runs a command, hands its output on, and makes a version of each checkpoint as soon as it is complete: ' +
        'nobody writes to it any more, it has what belongs to it, and its files read to their ends. The ' +
        'versions go to a branch of their own, run-<id>, or to that of --branch, wherever HEAD is meanwhile. ' +
        'Each has the metrics so far (of the output, TensorBoard, CSV, JSON lines and trainer_state.json), ' +
        'settings and seeds of the command line, packages, machine, git commit and diff, and the output. ' +
        'What the trainer deletes when it keeps only its last checkpoints is stored all the same. Secrets on the ' +
        'command line are masked, and of the environment only some variables are kept.\n\n' +
        'Checkpoints are told by names (checkpoint-500/, step_20.pt, net-500.pt, best.safetensors), by how the names of a run differ, and by the steps that it prints; or by --checkpoints. ' +
        'Signals go to the command, and the exit code is that of the command: 128 + n after signal n; 1 if it succeeded and a ' +
        'checkpoint could not be stored. Storing never stops the command. ' +
        'Its stdin is that of dlv; its output goes through pipes, so that it may see no terminal: PYTHONUNBUFFERED=1 ' +
        'is set, and FORCE_COLOR=1 on a terminal. If dlv itself is killed, the command goes on until it prints ' +
        "something, as in any pipeline; 'dlv run --recover' stores what was complete.\n\n" +
        '--resume starts the command of a run again, with its last complete checkpoint at its place; ' +
        "'{checkpoint}' among its words is where that is, and is left out in a first run, with the flag before it. " +
        "'dlv run list' shows runs, 'dlv run show <run>' one of them, 'dlv run log <run>' its output. A run is " +
        'named by its id, the first digits of it, or its --name.',
      examples: [
        ['dlv run -- python train.py --lr 1e-3 --seed 7', 'checkpoints are found by their names'],
        [
          "dlv run --checkpoints 'out/checkpoint-*' --name wide -- torchrun train.py",
          'says which folders are checkpoints, and gives the run a name',
        ],
        [
          'dlv run -- python train.py --resume_from_checkpoint {checkpoint}',
          'a run that --resume can start again from where it was',
        ],
        ['dlv run --resume 3f9a', 'goes on from the last complete checkpoint'],
        ['dlv run list', 'state, time, versions and last metrics of each run'],
        ['dlv run --recover', 'stores what runs left whose dlv was killed'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'a checkpoint could not be stored; else the exit code of the command',
      },
    })
    .argument('[words...]', '-- and the command; or list, show <run>, log <run>')
    .option('--name <name>', 'what the run is called')
    .option('--branch <name>', "branch that its versions go to (default: 'run-<id>')")
    .option(
      '--checkpoints <glob>',
      'files or folders that are checkpoints; may be repeated',
      collect,
    )
    .option(
      '--log <path>',
      'training log to follow, besides those found by name; may be repeated',
      collect,
    )
    .option(
      '--param <name=value>',
      'hyperparameter, besides those of the command line; may be repeated',
      collect,
    )
    .option('--resume <run>', 'start a run again from its last complete checkpoint')
    .option(
      '--recover [run]',
      'store what was complete in a run whose dlv was killed (default: all)',
    )
    .option('--dry-run', 'only print what would be run and recorded')
    .option('--last <n>', 'with list: the newest runs')
    .option('--thin', 'with show --json: few points of each metric')
    .addOption(new Option('--commit-held <run>').hideHelp())
    .addOption(new Option('--track <json>').hideHelp())
    .addOption(new Option('--as-is <numbers>').hideHelp())
    .addOption(new Option('--end').hideHelp())
    .addOption(new Option('--hurry').hideHelp())
    .action(cli.action(action));
}
