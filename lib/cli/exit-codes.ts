/**
 * From a thrown thing to what the user sees: one error of the table, one exit code, one text.
 *
 * Only this file knows what is printed for an error; which code an error has is in errors.ts.
 */
import { CommanderError } from 'commander';
import { asDlvError, type DlvError, UsageError } from '../base/errors.js';
import { type Output, type Style, toTerminal } from './output/terminal.js';

/** What an exit code means, for `--help` and the documentation. */
export const EXIT_CODES: Readonly<Record<number, string>> = {
  0: 'success',
  1: 'a negative answer, or the operation failed',
  2: 'the command line cannot be understood',
  10: 'no repository here',
  11: 'the repository is locked by another command',
  12: 'stored or given bytes are corrupt, truncated or beyond a limit',
  13: 'written by a newer dlv',
  70: 'a mistake in dlv itself',
  130: 'interrupted',
};

/** Turns anything thrown into an error of the table. */
export function toDlvError(thrown: unknown): DlvError {
  if (thrown instanceof CommanderError) return usageError(thrown);
  const error = asDlvError(thrown);
  if (error.code === 'DLV_BUG') {
    error.data.hint =
      'this is a mistake in dlv: run it again with DLV_DEBUG=1 and report what it prints';
  }
  return error;
}

/** commander's complaints: `error: <what>\n(Did you mean <x>?)`. */
function usageError(error: CommanderError): UsageError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const near = /Did you mean (.+)\?/.exec(rest.join(' '))?.[1]?.replace(/^one of /, '');
  const hint = near === undefined ? undefined : `did you mean ${near}?`;
  return new UsageError(first.replace(/\.$/, ''), hint === undefined ? {} : { hint });
}

/** The JSON document of an error, with what was warned of before. */
export function errorDocument(error: DlvError, warnings: readonly string[]): unknown {
  return { error: error.toJSON(), warnings };
}

/** Writes an error for people: message, hint, and the stack if DLV_DEBUG is set. */
export function writeError(
  stderr: Output,
  style: Style,
  error: DlvError,
  env: NodeJS.ProcessEnv,
): void {
  const what = error.code === 'DLV_BUG' ? 'internal error: ' : '';
  const write = (line: string): void => void stderr.write(`${toTerminal(line)}\n`);
  write(`${style.red('dlv:')} ${what}${error.message}`);
  const { hint } = error.data;
  if (typeof hint === 'string') write(`${style.cyan('hint:')} ${hint}`);
  if (!isSet(env.DLV_DEBUG)) return;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    for (const line of (cause.stack ?? cause.message).split('\n')) write(line);
  }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0';
}
