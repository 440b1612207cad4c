/** The process of a command, as it starts and ends. */
import type { ChildProcess } from 'node:child_process';
import { NotFoundError } from '../../base/errors.js';

/** Why a command did not start. */
export function notStarted(word: string, error: NodeJS.ErrnoException): NotFoundError {
  const why = error.code === 'ENOENT' ? 'there is no such program' : error.message;
  return new NotFoundError(`cannot start '${word}': ${why}`, {
    kind: 'program',
    name: word,
    hint: "write the command as you would in a shell, behind '--': dlv run -- python train.py",
  });
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
