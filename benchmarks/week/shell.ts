/** A terminal of the week: runs commands as a person does, and writes down what they answered and how long they took. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type FSWatcher, watch } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { PROJECT_ROOT } from '../harness.js';

const DLV = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
/** What a command may have written before it is interrupted. */
const WRITING_MS = 150;
/** Lines of one answer that the report keeps. */
const LINES_SHOWN = 40;

/** What a command is expected to do besides ending with 0. */
export interface Expected {
  /** Exit codes that are right; default: 0 alone. */
  codes?: readonly number[];
  /** What the answer must say. */
  says?: RegExp;
  /** Environment beside that of the week. */
  env?: Record<string, string>;
  /** Sends this signal while the command writes its first pack file. */
  interrupt?: NodeJS.Signals;
  /** Folder to run in; default: that of the shell. */
  cwd?: string;
}

export interface Answer {
  code: number | null;
  signal: NodeJS.Signals | null;
  text: string;
  seconds: number;
}

/** All that was run, as one report in Markdown. */
export class Report {
  readonly #lines: string[] = [];
  readonly skipped: string[] = [];
  readonly surprises: string[] = [];
  commands = 0;

  say(text: string): void {
    this.#lines.push(text);
    process.stdout.write(`${text}\n`);
  }

  day(title: string): void {
    this.say(`\n## ${title}\n`);
  }

  /** Says loudly that a part of the week did not happen. */
  skip(what: string, why: string): void {
    this.skipped.push(`${what}: ${why}`);
    this.say(`**SKIPPED: ${what}. ${why}**\n`);
  }

  surprise(what: string): void {
    this.surprises.push(what);
    this.say(`**NOT AS EXPECTED: ${what}**\n`);
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

export class Shell {
  readonly dir: string;
  readonly #report: Report;
  readonly #env: NodeJS.ProcessEnv;

  constructor(dir: string, report: Report, env: Record<string, string>) {
    this.dir = dir;
    this.#report = report;
    this.#env = { ...process.env, NO_COLOR: '1', COLUMNS: '110', ...env };
  }

  /** The command of dlv, shown with its answer. */
  dlv(line: string, expected: Expected = {}): Promise<Answer> {
    return this.#run(`dlv ${line}`, [process.execPath, DLV, ...words(line)], expected);
  }

  /** True if this build has a command; not shown. */
  async knows(verb: string): Promise<boolean> {
    const { text } = await run([process.execPath, DLV, verb, '--help'], this.dir, this.#env, {});
    return text.includes(`dlv ${verb}`);
  }

  /** Any other program. @param shown how a person would have typed it. */
  program(shown: string, argv: readonly string[], expected: Expected = {}): Promise<Answer> {
    return this.#run(shown, argv, expected);
  }

  /** What the person does with their files, said and done. */
  async does(what: string, action: () => Promise<unknown>): Promise<void> {
    this.#report.say(`*${what}*\n`);
    await action();
  }

  async #run(shown: string, argv: readonly string[], expected: Expected): Promise<Answer> {
    const answer = await run(
      argv,
      expected.cwd ?? this.dir,
      { ...this.#env, ...expected.env },
      expected,
    );
    const { code, signal, seconds, text } = answer;
    this.#report.commands++;
    const lines = text.trimEnd().split('\n');
    const more = lines.length - LINES_SHOWN;
    const kept = more > 0 ? [...lines.slice(0, LINES_SHOWN), `… ${more} lines more`] : lines;
    const end = signal === null ? `exit code ${code}` : `ended by ${signal}`;
    const body = kept.filter((line) => line !== '').length > 0 ? kept : ['(no output)'];
    this.#report.say(
      ['```', `$ ${shown}`, ...body, '```', `${seconds.toFixed(2)} s, ${end}\n`].join('\n'),
    );
    if (!(expected.codes ?? [0]).includes(code ?? -1)) this.#report.surprise(`'${shown}': ${end}`);
    if (expected.says && !expected.says.test(text)) {
      this.#report.surprise(`'${shown}' does not say ${expected.says}`);
    }
    return answer;
  }
}

/** Words of a line; single quotes hold one together. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? (plain as string),
  );
}

function run(
  [program, ...args]: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  { interrupt }: Expected,
): Promise<Answer> {
  const started = performance.now();
  const child = spawn(program as string, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      text += bytes;
    });
  }
  const watcher = interrupt === undefined ? null : whileWriting(cwd, () => stop(child, interrupt));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      text += error.message;
    });
    child.once('close', (code, signal) => {
      watcher?.close();
      resolve({ code, signal, text, seconds: (performance.now() - started) / 1000 });
    });
  });
}

/** Calls back soon after a command begins to write into its folder of unfinished packs. */
function whileWriting(cwd: string, action: () => void): FSWatcher {
  return watch(path.join(cwd, '.dlv/tmp'), () => setTimeout(action, WRITING_MS));
}

function stop(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.exitCode === null) child.kill(signal);
}

/** Bytes of all files below a folder. */
export async function sizeOf(dir: string): Promise<number> {
  let sum = 0;
  for (const entry of await fs.readdir(dir, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sum += (await fs.stat(path.join(entry.parentPath, entry.name))).size;
  }
  return sum;
}
