/**
 * One run of the command: what a command's action is given, and how commands are declared.
 *
 * A command file calls `cli.command` for its words (summary, examples, JSON, exit codes) and
 * `cli.action` for its code, which loads its op only when it runs.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { type DlvError, NotFoundError, UsageError } from '../base/errors.js';
import { kernelNamed } from '../base/native/kernel-kinds.js';
import type { OpContext } from '../use/context.js';
import type { ProgressSink } from '../use/progress.js';
import { EXIT_CODES } from './exit-codes.js';
import { type Globals, readGlobals } from './flags.js';
import { createProgress } from './output/progress.js';
import type { Stdio } from './output/stdio.js';
import { createUi, type Ui, type WarningUi } from './output/ui.js';
/** What is said about a command in `--help` and in the documentation. */
export interface CommandHelp {
  summary: string;
  /** One paragraph or several, below the usage line. */
  about?: string;
  /** Command line and what it does. */
  examples: readonly (readonly [line: string, does: string])[];
  /** The document that `--json` prints, as an example; typed by the op's result where it is made. */
  json?: object;
  /** Exit codes with a meaning of their own in this command. */
  exitCodes?: Readonly<Record<number, string>>;
}

/** Streams and environment of the process, or those of a test. */
export interface CliHost {
  stdout: Stdio;
  stderr: Stdio;
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** The command line without node and script. */
  argv: readonly string[];
  /** From then on `handler` gets the signals of the process. @returns gives them back. */
  takeSignals?(handler: (signal: NodeJS.Signals) => void): () => void;
  /** Words that start this command again. */
  self?: readonly string[];
  /** Raised by the first Ctrl-C. */
  signal: AbortSignal;
  /** What a command may read; null: nothing. Default: that of the process. */
  stdin?: AsyncIterable<Uint8Array> | null;
  /** Takes the place of stdout and of the bar, for a program that asks one thing after another. */
  asker?: Asker;
  /** Opens repositories for commands that only read; default: for each anew. */
  reading?: ReadingFrom;
}

/** Runs something on the repository around a folder. */
export type ReadingFrom = <T>(
  context: OpContext,
  action: (repo: OpenRepository) => Promise<T>,
) => Promise<T>;

/** Who asked for a command in `dlv batch`. */
export interface Asker {
  /** The answer, as --json prints it, without the warnings. */
  document(document: object): void;
  /** What the command ended with instead of an answer. */
  error(error: DlvError): void;
  /** Is given each warning as it comes. */
  warn(message: string): void;
  /** Takes bytes of files and tensors; false: no more are wanted. Null: only their description is. */
  data: ((bytes: Uint8Array) => Promise<boolean>) | null;
  progress: ProgressSink;
}

/** Carries out one command line. @returns the exit code. */
export type RunLine = (host: CliHost) => Promise<number>;

/** An open repository, as ops take it. */
export type OpenRepository = Parameters<
  Parameters<typeof import('../use/ops/with-repository.js')['withRepository']>[1]
>[0];

/** What the action of a command gets. */
export interface Run {
  /** For the op. */
  context: OpContext;
  /** False with --no-progress and -q. */
  readonly showsProgress: boolean;
  /** The environment of the process. */
  readonly env: NodeJS.ProcessEnv;
  /** The command line behind the program, as it was given. */
  readonly argv: readonly string[];
  /** The process that it runs in. */
  readonly host: CliHost;
  /** Name of the folder of the repository that was opened; null if none was. */
  repositoryName(): string | null;
  /** Opens the repository around the context's folder for as long as `action` runs. */
  repository<T>(action: (repo: OpenRepository) => Promise<T>): Promise<T>;
  ui: Ui;
  /** What comes in on stdin. @throws {UsageError} where that is not the command's to read. */
  input(): AsyncIterable<Uint8Array>;
  /** Takes bytes of files and tensors beside a document; null where nobody asked for them. */
  readonly data: Asker['data'];
  /** Carries out other command lines, with streams of their own. */
  line: RunLine;
  /** True once nobody reads stdout any more. */
  outputClosed(): boolean;
  /** Answers: with --json the document, printed when the action has ended; else what `human` prints. */
  answer<T extends object>(result: T, human: (ui: Ui) => void): void;
  /** Says what was done: as `answer`, but nothing with -q. What a dry run would do is an answer. */
  report<T extends object>(result: T, human: (ui: Ui) => void): void;
  /** Operands before and after `--`; `after` is null if there was none. */
  split(operands: readonly string[]): { before: string[]; after: string[] | null };
}

/** An action; a number that it returns is the exit code. */
export type Action<A extends unknown[]> = (run: Run, ...args: A) => Promise<number | undefined>;

/** What to say about the kernel that ran, if anything. */
export async function readKernelNote(): Promise<string | null> {
  const { kernelNote } = await import('../use/ops/about.js');
  return kernelNote();
}

/** The same, once a day. */
async function readDailyKernelNote(env: NodeJS.ProcessEnv): Promise<string | null> {
  const { dailyKernelNote } = await import('../use/ops/about.js');
  return dailyKernelNote(env);
}

const noLine: RunLine = () => {
  throw new Error('no command lines are carried out here');
};

/** Declares commands and runs their actions. */
export class Cli {
  readonly host: CliHost;
  /** What was declared, by command, for the documentation. */
  readonly declared = new Map<Command, CommandHelp>();
  exitCode = 0;
  /** The answer of a command with --json. It is printed last, with the warnings of the whole run. */
  #document: object | null = null;
  /** What was warned of so far. */
  readonly warnings: string[] = [];
  /** Warnings that are said when the command has answered. */
  readonly #late: string[] = [];

  readonly #runLine: RunLine;

  /** @param runLine  carries out other command lines, for a command that takes them. */
  constructor(host: CliHost, runLine: RunLine = noLine) {
    this.host = host;
    this.#runLine = runLine;
  }

  /** Declares a command of `parent`; arguments and options are added to what it returns. */
  command(parent: Command, name: string, help: CommandHelp): Command {
    const command = parent.command(name).summary(help.summary);
    command.description([help.summary, help.about].filter(Boolean).join('\n\n'));
    command.allowExcessArguments(false);
    command.addHelpText('after', () => helpTail(help));
    this.declared.set(command, help);
    return command;
  }

  /** Wraps the code of a command for commander, which hands it operands, options and itself. */
  action<A extends unknown[]>(action: Action<A>): (...args: unknown[]) => Promise<void> {
    return async (...args) => {
      const command = args.pop() as Command;
      const globals = readGlobals(command);
      // Also where nothing is coded: a wrong name would go unseen until then.
      kernelNamed(this.host.env.DLV_KERNEL);
      const { stdout, stderr, env } = this.host;
      const ui = createUi({ ...globals, stdout, stderr, env });
      const run = this.#run(globals, ui);
      try {
        this.exitCode = (await action(run, ...(args as A))) ?? 0;
        const note = globals.quiet ? null : await readDailyKernelNote(this.host.env);
        if (note !== null) run.context.warn(note, 'last');
        if (this.#document !== null) this.#answer(ui, this.#document);
      } finally {
        run.context.progress.finish();
        for (const message of this.#late) ui.warn(message);
      }
    };
  }

  #answer(ui: Ui, document: object): void {
    if (this.host.asker) this.host.asker.document(document);
    else ui.document(withWarnings(document, this.warnings));
  }

  #run(globals: Globals, ui: WarningUi): Run {
    const { stdout, stderr, env, cwd, argv, signal, asker } = this.host;
    const bar = () =>
      createProgress({ enabled: globals.progress && !globals.quiet, stream: stderr });
    const progress = asker?.progress ?? bar();
    const context: OpContext = {
      cwd: workingFolder(cwd, globals.folders),
      progress,
      warn: (message, when) => {
        this.warnings.push(message);
        if (asker) asker.warn(message);
        else if (when === 'last') this.#late.push(message);
        else ui.warn(message);
      },
      signal,
      fetches: globals.fetch && env.DLV_NO_FETCH !== '1',
    };
    let repositoryName: string | null = null;
    const answer: Run['answer'] = (result, human) => {
      // What is left of a bar would be between the lines of the answer.
      progress.finish();
      if (ui.json) this.#document = result;
      else human(ui);
    };
    return {
      host: this.host,
      ui,
      context,
      showsProgress: globals.progress && !globals.quiet,
      env,
      argv,
      repositoryName: () => repositoryName,
      repository: async (action) => {
        const { withRepository } = await import('../use/ops/with-repository.js');
        const open = this.host.reading ?? withRepository;
        return open(context, (repo) => {
          repositoryName = path.basename(repo.layout.workTree);
          return action(repo);
        });
      },
      input: () => {
        // Node makes the stream when it is first asked for: not for commands that do not read it.
        const { stdin = process.stdin } = this.host;
        if (stdin !== null) return stdin as AsyncIterable<Uint8Array>;
        throw new UsageError("'-' is stdin, which is not to be read here", {
          hint: 'name a file, or give the text itself',
        });
      },
      data: asker?.data ?? null,
      line: this.#runLine,
      outputClosed: () => stdout.closed,
      answer,
      report: (result, human) => {
        const isPlan = 'dryRun' in result && result.dryRun === true;
        answer(result, ui.quiet && !isPlan ? () => {} : human);
      },
      split: (operands) => splitOperands(argv, operands),
    };
  }
}

/**
 * The document of a command. A list is as it is: its warnings are lines of JSON on stderr, as those of
 * every command are. Anything else says them itself, too. @see docs/decisions/0012
 */
export function withWarnings(document: object, warnings: readonly string[]): object {
  return Array.isArray(document) ? document : { ...document, warnings };
}

/** The folder that -C leads to. @throws {NotFoundError} if there is none. */
function workingFolder(cwd: string, folders: readonly string[]): string {
  const folder = path.resolve(cwd, ...folders);
  if (folders.length > 0 && !fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new NotFoundError(`there is no folder '${folder}'`, {
      kind: 'folder',
      name: folder,
      hint: 'correct what stands behind -C',
    });
  }
  return folder;
}

/** Cuts operands at the `--` of the command line. */
function splitOperands(
  argv: readonly string[],
  operands: readonly string[],
): { before: string[]; after: string[] | null } {
  const at = argv.indexOf('--');
  if (at < 0) return { before: [...operands], after: null };
  const cut = operands.length - (argv.length - at - 1);
  return { before: operands.slice(0, cut), after: operands.slice(cut) };
}

function helpTail(help: CommandHelp): string {
  const lines = ['', 'Examples:'];
  for (const [line, does] of help.examples) lines.push(`  ${line}`, `      ${does}`);
  const own = Object.entries(help.exitCodes ?? {}).map(([code, what]) => `${code} ${what}`);
  if (own.length > 0) lines.push('', `Exit codes: ${own.join('; ')}; others as in 'dlv --help'.`);
  return lines.join('\n');
}

/** The table of exit codes at the end of `dlv --help`. */
export function exitCodeTable(): string {
  const rows = Object.entries(EXIT_CODES).map(([code, what]) => `  ${code.padStart(3)}  ${what}`);
  return ['', 'Exit codes:', ...rows].join('\n');
}
