/** The process of a command, as it starts and ends. */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { NotFoundError } from '../../../base/errors.js';
import { NotStarted, startProgram } from '../../../base/files/processes/program.js';

/** Starts a command. @throws {NotFoundError} if it does not start. */
export async function startCommand(
  words: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  const [word = '', ...args] = words;
  try {
    return await startProgram(word, args, options);
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    throw new NotFoundError(`cannot start '${word}': ${error.why}`, {
      kind: 'program',
      name: word,
      hint:
        error.hint ??
        "write the command as you would in a shell, behind '--': dlv run -- python train.py",
    });
  }
}

/** How a child ends, and when its output is over. */
export interface ChildEnd {
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  closed: Promise<void>;
}

/** To be called before anything is awaited: a child may end at once. */
export function endOf(child: ChildProcess): ChildEnd {
  return {
    exited: new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    }),
    closed: new Promise((resolve) => {
      child.once('close', () => resolve());
    }),
  };
}
