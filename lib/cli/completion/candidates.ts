/**
 * What the last word of a command line may be: a command, a flag, or a name of the repository. Nothing is said
 * where a path is wanted: the shell completes files itself.
 */
import path from 'node:path';
import type { Command, Option } from 'commander';
import type { OpContext } from '../../use/context.js';
import { noProgress } from '../../use/progress.js';
import type { CliHost } from '../run.js';
import { type Before, flagValueOf, type NameKind, operandOf, type Wanted } from './operands.js';

/** A word, and what a shell may show beside it. */
export interface Candidate {
  word: string;
  about: string;
}

/** What completion needs of the program. */
export interface CompletionSource {
  /** Names of all commands. */
  commands: readonly string[];
  /** Topics of `dlv help`. */
  topics: readonly string[];
  /** The program with the command declared. */
  build(verb: string): Promise<Command>;
}

/** Flags before the command that take a value. */
const WITH_FOLDER = '-C';

/**
 * @param words  those of the line behind `dlv`, up to the cursor; the last may be empty.
 * @returns candidates that begin with the last word, in order.
 */
export async function completeWords(
  host: Pick<CliHost, 'cwd'>,
  words: readonly string[],
  source: CompletionSource,
): Promise<Candidate[]> {
  const last = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const found = await candidatesFor(host, before, last, source);
  const unique = new Map(found.map((candidate) => [candidate.word, candidate]));
  return [...unique.values()].filter(({ word }) => word.startsWith(last));
}

async function candidatesFor(
  host: Pick<CliHost, 'cwd'>,
  before: readonly string[],
  last: string,
  source: CompletionSource,
): Promise<Candidate[]> {
  const { at, folders } = findCommand(before);
  if (before.at(-1) === WITH_FOLDER && at < 0) return [];
  const verb = before[at];
  if (verb === undefined) return plain(['help', ...source.commands]);
  if (verb === 'help') return plain([...source.commands, ...source.topics]);
  if (!source.commands.includes(verb)) return [];
  const program = await source.build(verb);
  const command = program.commands.find((one) => one.name() === verb);
  if (command === undefined) return [];
  const line = readLine(command, before.slice(at + 1));
  const [, flag] = /^(--[^=]+)=/.exec(last) ?? [];
  const option = line.pending ?? (flag === undefined ? undefined : valueOption(command, flag));
  if (option === undefined && last.startsWith('-')) {
    return line.isPathsOnly || flag !== undefined ? [] : flagsOf(command, program);
  }
  const wanted = option === undefined ? wantedOperand(command, line) : wantedValue(verb, option);
  if (wanted === null) return [];
  const found = typeof wanted === 'string' ? await namesOf(host, folders, wanted) : plain(wanted);
  if (line.pending !== undefined || flag === undefined) return found;
  return found.map(({ word, about }) => ({ word: `${flag}=${word}`, about }));
}

/** Where the command stands, and the folders that -C names before it. */
function findCommand(words: readonly string[]): { at: number; folders: string[] } {
  const folders: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === WITH_FOLDER) folders.push(words[++at] ?? '.');
    else if (!word.startsWith('-')) return { at, folders };
  }
  return { at: -1, folders };
}

function plain(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word, about: '' }));
}

/** What stands before the word. */
interface Line extends Before {
  /** The flag whose value the word is. */
  pending: Option | undefined;
  /** True behind '--', where only paths stand, or the command of `dlv run`. */
  isPathsOnly: boolean;
}

function readLine(command: Command, words: readonly string[]): Line {
  const operands: string[] = [];
  const flags = new Set<string>();
  let pending: Option | undefined;
  let isPathsOnly = false;
  for (const word of words) {
    if (pending !== undefined) pending = undefined;
    else if (isPathsOnly || !word.startsWith('-') || word === '-') operands.push(word);
    else if (word === '--') isPathsOnly = true;
    else {
      const name = word.replace(/=.*$/s, '');
      flags.add(command.options.find(({ short }) => short === name)?.long ?? name);
      if (name === word) pending = valueOption(command, word);
    }
  }
  return { operands, flags, pending, isPathsOnly };
}

function wantedOperand(command: Command, line: Line): Wanted | null {
  if (line.isPathsOnly) return null;
  const choices = command.registeredArguments[line.operands.length]?.argChoices;
  return choices ?? operandOf(command.name(), line);
}

/** The option of a word if it takes the next one as its value. */
function valueOption(command: Command, word: string): Option | undefined {
  const option = command.options.find(({ short, long }) => short === word || long === word);
  return option?.required ? option : undefined;
}

function wantedValue(verb: string, { flags, long, argChoices }: Option): Wanted | null {
  if (argChoices !== undefined) return argChoices;
  const word = /[<[]([^>\].]+)(?:\.\.\.)?[>\]]/.exec(flags)?.[1] ?? '';
  return flagValueOf(verb, long ?? '', word);
}

function flagsOf(command: Command, program: Command): Candidate[] {
  const own = new Map<string, Candidate>();
  for (const { long, description, hidden } of [...command.options, ...program.options]) {
    if (long && !hidden && !own.has(long)) own.set(long, { word: long, about: description });
  }
  own.set('--help', { word: '--help', about: 'show the help of the command' });
  return [...own.values()];
}

/** Names of the repository around the folder; none where there is no repository. */
async function namesOf(
  { cwd }: Pick<CliHost, 'cwd'>,
  folders: readonly string[],
  kind: NameKind,
): Promise<Candidate[]> {
  const context: OpContext = {
    cwd: path.resolve(cwd, ...folders),
    progress: noProgress,
    warn() {},
  };
  if (kind === 'setting') {
    const { listConfig } = await import('../../use/ops/config.js');
    return (await listConfig(context)).map(({ key, about }) => ({ word: key, about }));
  }
  const { withRepository } = await import('../../use/ops/with-repository.js');
  const { listNames } = await import('../../use/ops/names.js');
  return withRepository(context, async (repo) => plain(await listNames(repo, kind)));
}
