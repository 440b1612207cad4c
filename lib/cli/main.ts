/**
 * The `dlv` command: reads the command line, runs one command, answers with an exit code.
 *
 * Only the named command's file is loaded. Start at `main`; commands are in commands/index.ts.
 */
import { Command, Option } from 'commander';
import { steadyMs } from '../base/bytes/pace.js';
import { assert, type DlvError, UsageError } from '../base/errors.js';
import { listenToSignals } from '../base/native/guard.js';
import { COMMANDS } from './commands/index.js';
import { COMPLETE } from './completion/scripts.js';
import { errorDocument, toDlvError, writeError } from './exit-codes.js';
import { addGlobalOptions, GLOBAL_OPTIONS, readGlobals } from './flags.js';
import { helpDocument, topicDocument } from './help-document.js';
import { wrapStream } from './output/stdio.js';
import { createStyle, printable, terminalColumns, wantsColor } from './output/terminal.js';
import { formatJson } from './output/ui.js';
import { Cli, type CliHost, exitCodeTable, readKernelNote } from './run.js';
import { SignalDesk } from './signals.js';
import { TOPICS, type Topic, topicList } from './topics.js';
import { commandHint, folderFlagHint, usageHint } from './usage-hints.js';

const ABOUT = `Git for model weights: byte-exact versions of checkpoints that cost what changed.

A revision is a version id (or its first digits), a branch, a tag, a model, model@n, model/branch@n, HEAD, \
or any of them with ~n or ^n.`;

/** The name of the command on a command line, or null: global flags may be before it. */
export function findVerb(argv: readonly string[]): string | null {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (word === '--') return null;
    if (word === '-C') i++;
    else if (!word.startsWith('-')) return word;
  }
  return null;
}

/** Makes the program with the commands that `argv` needs: the named one, or all. */
export async function buildProgram(cli: Cli, argv: readonly string[]): Promise<Command> {
  const program = new Command('dlv');
  program
    .description(ABOUT)
    .usage('[global options] <command> [options]')
    .exitOverride()
    .configureOutput({
      // Help that is asked for as JSON is written by `runCli`, which knows of which command it is.
      writeOut: (text) => {
        if (!wantsJson(cli.host)) cli.host.stdout.write(text);
      },
      // What commander would say of a mistake is said by `report`.
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => Math.min(terminalColumns(cli.host.stdout, 100), 100),
      getOutHasColors: () => wantsColor(cli.host.stdout, cli.host.env),
    })
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpCommand(
      new Command('help').argument('[command]').summary('show the help of a command or topic'),
    )
    .addOption(new Option('-V, --version', 'show the version').helpGroup(GLOBAL_OPTIONS))
    .addHelpText('after', () =>
      [
        '',
        'Examples:',
        '  dlv init && dlv add model.safetensors && dlv commit -m "first"',
        '      put a checkpoint under version control',
        '  dlv log --graph',
        '      show how versions follow from one another',
        '  dlv help commit',
        '      show what a command takes',
        topicList(),
        exitCodeTable(),
      ].join('\n'),
    );
  addGlobalOptions(program);
  const verb = findVerb(argv);
  // With an action of its own the program would not say which command is near an unknown one.
  if (verb === null) program.action(() => runWithoutCommand(cli, program));
  const named = COMMANDS.filter(({ name }) => name === verb);
  const isVersion = argv.length === 1 && /^(-V|--version)$/.test(argv[0] ?? '');
  for (const { name, group, register } of named.length > 0 || isVersion ? named : COMMANDS) {
    await register(program, cli);
    const command = program.commands.find((candidate) => candidate.name() === name);
    assert(command, `the file of '${name}' declares no command of that name`);
    command.helpGroup(group);
  }
  for (const command of cli.declared.keys()) addGlobalOptions(command);
  return program;
}

/** `dlv --version`, or a command line without a command. */
async function runWithoutCommand(cli: Cli, program: Command): Promise<void> {
  if (program.opts<{ version?: boolean }>().version !== true) {
    if (!readGlobals(program).json) {
      program.outputHelp();
      cli.exitCode = new UsageError('').exitCode;
      return;
    }
    throw new UsageError('no command given', { hint: "run 'dlv --help' to see all commands" });
  }
  const { about } = await import('../use/ops/about.js');
  const result = await about();
  const { json, quiet } = readGlobals(program);
  const note = await readKernelNote();
  if (note !== null && !quiet) cli.host.stderr.write(`dlv: ${printable(note)}\n`);
  cli.host.stdout.write(json ? formatJson(result) : `dlv ${result.version}\n`);
}

/** The word after `help`; null if there is none, or no `help`. */
function topicOf(argv: readonly string[]): string | null {
  return findVerb(argv) === 'help' ? findVerb(argv.slice(argv.indexOf('help') + 1)) : null;
}

/**
 * `dlv help commit` is understood as `dlv commit --help`, whatever flags are there; `dlv help comit`
 * as `dlv comit`, so that it says which command is near.
 */
function withoutHelp(argv: readonly string[]): readonly string[] {
  if (findVerb(argv) !== 'help') return argv;
  const topic = topicOf(argv);
  if (topic === null || topic === 'help') return ['--help'];
  return COMMANDS.some(({ name }) => name === topic) ? [topic, '--help'] : [topic];
}

/** `-5` is `-n 5` where a command has that flag, as in git; not where it is the value of a flag. */
function withCounts(argv: readonly string[], command: Command | undefined): readonly string[] {
  const flags = command?.options ?? [];
  if (!flags.some(({ long }) => long === '--max-count')) return argv;
  const takesValue = new Set(
    flags.flatMap(({ required, short, long }) => (required ? [short, long] : [])),
  );
  const end = argv.indexOf('--');
  return argv.map((word, i) => {
    const isOperand = (end >= 0 && i > end) || takesValue.has(argv[i - 1]);
    return !isOperand && /^-\d+$/.test(word) ? `-n${word.slice(1)}` : word;
  });
}

/** Runs one command line. @returns the exit code. */
export async function runCli(host: CliHost): Promise<number> {
  const cli = new Cli(host, runCli);
  let program: Command | null = null;
  if (host.argv[0] === COMPLETE) return answerShell(host);
  try {
    const topic = topicOf(host.argv);
    if (topic !== null && Object.hasOwn(TOPICS, topic)) {
      const { text } = TOPICS[topic] as Topic;
      host.stdout.write(wantsJson(host) ? formatJson(topicDocument(topic)) : text);
      return 0;
    }
    program = await buildProgram(cli, host.argv);
    const command = program.commands.find((one) => one.name() === findVerb(host.argv));
    const words = withCounts(withoutHelp(host.argv), command);
    await program.parseAsync(words, { from: 'user' });
    return cli.exitCode;
  } catch (thrown) {
    // Help and version are thrown too, by commander.
    const { code, exitCode } = thrown as { code?: unknown; exitCode?: unknown };
    if (typeof code === 'string' && code.startsWith('commander.') && exitCode === 0) {
      if (program !== null && wantsJson(host)) {
        const verb = findVerb(withoutHelp(host.argv));
        host.stdout.write(formatJson(helpDocument(program, verb, cli)));
      }
      return 0;
    }
    const error = host.signal.aborted ? interrupted(thrown) : toDlvError(thrown);
    report(cli, error);
    return error.exitCode;
  }
}

/** Tells a shell what the last word of a command line may be. Whatever goes wrong, it stays silent. */
async function answerShell(host: CliHost): Promise<number> {
  const { completeWords } = await import('./completion/candidates.js');
  const source = {
    commands: COMMANDS.map(({ name }) => name),
    topics: Object.keys(TOPICS),
    build: (verb: string) => buildProgram(new Cli(host), [verb]),
  };
  const found = await completeWords(host, host.argv.slice(1), source).catch(() => []);
  for (const { word, about } of found) {
    host.stdout.write(`${printable(word)}${about === '' ? '' : `\t${printable(about)}`}\n`);
  }
  return 0;
}

/** The words of a command line before `--`. */
function flagsOf(argv: readonly string[]): readonly string[] {
  const operandsAt = argv.indexOf('--');
  return operandsAt < 0 ? argv : argv.slice(0, operandsAt);
}

function wantsJson({ argv }: CliHost): boolean {
  return flagsOf(argv).includes('--json');
}

/** After Ctrl-C whatever failed, failed because of it, unless it is a mistake or damage. */
function interrupted(thrown: unknown): DlvError {
  const error = toDlvError(thrown);
  const abort = Object.assign(new Error('interrupted'), { name: 'AbortError' });
  return error.code === 'DLV_IO' ? toDlvError(abort) : error;
}

function report(cli: Cli, error: DlvError): void {
  const { stdout, stderr, env, argv } = cli.host;
  const flags = flagsOf(argv);
  const names = COMMANDS.map(({ name }) => name);
  const verb = names.find((name) => name === findVerb(argv));
  if (error.code === 'DLV_USAGE') {
    const command = [...cli.declared.keys()].find((one) => one.name() === verb) ?? null;
    const isRun = verb === 'run' && /^unknown (option|action) /.test(error.message);
    const behind = isRun && command !== null ? argv.slice(argv.indexOf('run') + 1) : null;
    const hint =
      (behind && commandHint(behind, command as Command)) ??
      usageHint(error.message, names, command) ??
      error.data.hint;
    error.data.hint = hint ?? `run 'dlv ${verb === undefined ? '' : `${verb} `}--help'`;
  }
  const isOfFolder = error.code === 'DLV_USAGE' || error.data.kind === 'folder';
  const folderHint = isOfFolder && verb !== undefined ? folderFlagHint(verb, flags) : null;
  if (folderHint !== null) error.data.hint = folderHint;
  if (cli.host.asker) cli.host.asker.error(error);
  else if (wantsJson(cli.host)) stdout.write(formatJson(errorDocument(error, cli.warnings)));
  else writeError(stderr, createStyle(wantsColor(stderr, env)), error, env);
}

/** The folder that the command was started in; it may have been removed since. */
function startFolder(): string {
  try {
    return process.cwd();
  } catch {
    const folder = process.env.PWD ?? '/';
    // Whatever asks for the current folder from here on gets one.
    process.chdir('/');
    return folder;
  }
}

/** One Ctrl-C may come twice: from the terminal, and from a parent that hands it on. */
const SAME_INTERRUPT_MS = 300;

/** A process that computes without a pause for so long after a signal is ended by it. */
const ANSWER_SECONDS = 2;

/**
 * Runs the command of this process: its arguments, streams and signals.
 * @returns the exit code; the caller sets it and lets the process end, so that output is flushed.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const abort = new AbortController();
  let stoppedAt = 0;
  let hasEnded = false;
  const desk = new SignalDesk();
  const stop = (signal: NodeJS.Signals): void => {
    if (desk.hear(signal)) return;
    // The work is done and its exit code is known, unless somebody still waits to read the answer.
    if (hasEnded && process.stdout.writableLength === 0) return;
    const now = steadyMs();
    const isSame = abort.signal.aborted && now - stoppedAt < SAME_INTERRUPT_MS;
    if (isSame && !hasEnded) return;
    if (hasEnded || abort.signal.aborted) {
      // The second time the user does not want to wait until things are in order.
      stderr.write('dlv: interrupted\n');
      process.exit(130);
    }
    stoppedAt = now;
    abort.abort();
  };
  listenToSignals(stop, ANSWER_SECONDS);
  let outputLost = false;
  const failed = (error: Error): void => {
    outputLost = true;
    process.exitCode = 1; // the last write may fail only after the command has returned
    stderr.write(`dlv: cannot write its output: ${printable(error.message)}\n`);
    abort.abort();
  };
  const stderr = wrapStream('stderr', () => {});
  const stdout = wrapStream('stdout', failed);
  const host: CliHost = {
    ...{ stdout, stderr, env: process.env, cwd: startFolder(), argv, signal: abort.signal },
    takeSignals: (handler) => desk.take(handler),
    self: [process.execPath, ...process.execArgv, process.argv[1] as string],
  };
  const code = await runCli(host);
  hasEnded = true;
  return outputLost ? 1 : code;
}
