/**
 * What the last word of a command line may be: a command, a flag, or a name of the repository. Nothing is said
 * where a path is wanted: the shell completes files itself.
 */
import path from 'node:path';
import type { Command, Option } from 'commander';
import type { OpContext } from '../../use/context.js';
import { noProgress } from '../../use/progress.js';
import type { CliHost } from '../run.js';

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

/** Names of arguments and values, as `--help` shows them, by what they name. */
const KINDS: Record<string, 'revision' | 'branch' | 'remote' | 'model' | 'setting'> = {
  rev: 'revision',
  revs: 'revision',
  revision: 'revision',
  revisions: 'revision',
  start: 'revision',
  place: 'revision',
  ref: 'revision',
  branch: 'branch',
  branches: 'branch',
  'model/branch': 'branch',
  remote: 'remote',
  model: 'model',
  key: 'setting',
};

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
  const wanted = wantedBy(command, before.slice(at + 1), last);
  if (wanted === 'flag') return flagsOf(command, program);
  if (wanted === null) return [];
  if (wanted.choices !== undefined) return plain(wanted.choices);
  return namesOf(host, folders, wanted.name);
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

interface Wanted {
  /** Name of the argument, as in `--help`. */
  name: string;
  choices?: readonly string[] | undefined;
}

/** What the word after `words` is: a flag, the value of one, or an operand; null if nothing is known of it. */
function wantedBy(
  command: Command,
  words: readonly string[],
  last: string,
): Wanted | 'flag' | null {
  let operands = 0;
  let pending: Option | undefined;
  let isOperandsOnly = false;
  for (const word of words) {
    if (pending !== undefined) pending = undefined;
    else if (isOperandsOnly || !word.startsWith('-') || word === '-') operands++;
    else if (word === '--') isOperandsOnly = true;
    else if (!word.includes('=')) pending = valueOption(command, word);
  }
  if (pending !== undefined) return wantedValue(pending);
  const flag = /^(--[^=]+)=/.exec(last)?.[1];
  if (flag !== undefined) return null;
  if (last.startsWith('-') && !isOperandsOnly) return 'flag';
  const known = command.registeredArguments;
  const final = known.at(-1);
  const argument = known[operands] ?? (final?.variadic ? final : undefined);
  if (argument === undefined) return null;
  return { name: argument.name(), choices: argument.argChoices };
}

/** The option of a word if it takes the next one as its value. */
function valueOption(command: Command, word: string): Option | undefined {
  const option = command.options.find(({ short, long }) => short === word || long === word);
  return option?.required ? option : undefined;
}

function wantedValue(option: Option): Wanted {
  const name = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1] ?? '';
  return { name: name.replace(/\.\.\.$/, ''), choices: option.argChoices };
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
  argument: string,
): Promise<Candidate[]> {
  const kind = KINDS[argument];
  if (kind === undefined) return [];
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
  const { models, branches, tags, remotes } = await withRepository(context, listNames);
  switch (kind) {
    case 'remote':
      return plain(remotes);
    case 'model':
      return plain(models);
    case 'branch':
      return plain(branches);
    case 'revision':
      return plain(['HEAD', ...branches, ...tags, ...models]);
  }
}
