/** Guesses what a command line that dlv does not understand was meant to be. */
import type { Command } from 'commander';
import { shellWord } from '../base/bytes/words/wording.js';
import {
  FLAGS_ELSEWHERE,
  FLAGS_EVERYWHERE,
  FOLDER_FLAG_ELSEWHERE,
  OPERANDS_ELSEWHERE,
  SHORT_NAMES,
  VERBS_ELSEWHERE,
} from './elsewhere.js';

/** Many programs print their version for it. */
const OWN_V = "'dlv --version' shows the version; to hear more, write --verbose behind a command";
/** A word of the tables that an error of commander names. */
const UNKNOWN = /^unknown (command|option) '([^']+)'$/;

/**
 * The remedy for an unknown command or flag; null if none is better than what commander suggests.
 * @param names     of all commands.
 * @param command   that the flag was given to, or null.
 */
export function usageHint(
  message: string,
  names: readonly string[],
  command: Command | null,
): string | null {
  const [, flag] = /^option '([^']+)' argument missing$/.exec(message) ?? [];
  if (flag !== undefined) return `write it with its value: ${flag.split(', ').at(-1)}`;
  const [, kind, word = ''] = UNKNOWN.exec(message) ?? [];
  if (kind === 'command') return verbHint(word, names);
  if (command === null) return word === '-v' ? OWN_V : null;
  if (/^too many arguments/.test(message)) return OPERANDS_ELSEWHERE[command.name()] ?? null;
  return kind === 'option' ? flagHint(word, command) : null;
}

/** The remedy for a command line whose -C, after the command, was meant as git's; null for others. */
export function folderFlagHint(verb: string, flags: readonly string[]): string | null {
  const isAfter = flags.slice(flags.indexOf(verb) + 1).some((word) => word.startsWith('-C'));
  return isAfter ? (FOLDER_FLAG_ELSEWHERE[verb] ?? null) : null;
}

/**
 * The line with `--` before the words that are the command of `dlv run`; null where that is there, or no word is one.
 * @param words    behind 'run'.
 * @param command  `dlv run`, whose flags may come first.
 */
export function commandHint(words: readonly string[], command: Command): string | null {
  if (words.includes('--')) return null;
  let first = 0;
  for (let word = words[0]; word?.startsWith('-'); word = words[first]) {
    const flag = command.options.find(({ long, short }) => long === word || short === word);
    first += flag?.required === true ? 2 : 1;
  }
  const [own, given] = [words.slice(0, first), words.slice(first)];
  if (given.length === 0 || /^(list|ls|show|logs?)$/.test(given[0] as string)) return null;
  return `write: ${['dlv run', ...own.map(shellWord), '--', ...given.map(shellWord)].join(' ')}`;
}

function verbHint(verb: string, names: readonly string[]): string | null {
  const known = Object.hasOwn(VERBS_ELSEWHERE, verb) ? VERBS_ELSEWHERE[verb] : undefined;
  if (known !== undefined) return known;
  if (Object.hasOwn(SHORT_NAMES, verb)) return `did you mean ${SHORT_NAMES[verb]}?`;
  return didYouMean(names.filter((name) => verb.length > 1 && name.startsWith(verb)));
}

function flagHint(given: string, command: Command): string | null {
  const word = given.replace(/=.*$/, '');
  const tables = [FLAGS_ELSEWHERE[command.name()] ?? {}, FLAGS_EVERYWHERE];
  // A value may be at a short flag: -Sname. Some flags are there, and take none.
  const written = /^-[^-]/.test(word) ? [word, word.slice(0, 2)] : [word];
  if (given.includes('=')) written.unshift(`${word}=`);
  for (const table of tables) {
    for (const flag of written) if (Object.hasOwn(table, flag)) return table[flag] as string;
  }
  const flags = command.options.flatMap(({ long }) => long ?? []);
  return didYouMean(flags.filter((flag) => word.length > 3 && flag.startsWith(word)));
}

function didYouMean(names: readonly string[]): string | null {
  return names.length === 0 ? null : `did you mean ${names.join(' or ')}?`;
}
