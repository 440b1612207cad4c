/** A trainer as a process of this machine: starts it on a job, reads its lines, ends it when asked. */
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AbortedError } from '../../../base/errors.js';
import { NotStarted, startProgram } from '../../../base/files/processes/program.js';
import { BUILT_IN } from '../built-in.js';
import { Hearing, type Listener, type TrainingEnd } from './hearing.js';

/** Who trains: the built-in trainer, PyTorch by the script of this folder, or a program of the user. */
export type TrainerChoice =
  | typeof BUILT_IN
  | 'pytorch'
  /** Program and arguments; the path of the job comes last. It is run with the rights of the user. */
  | { command: readonly string[] };

const MAIN = fileURLToPath(new URL('./built-in-main.js', import.meta.url));
/** Beside the sources: the compiler does not copy it. */
const SCRIPT = fileURLToPath(
  new URL('../../../../../lib/knowledge/training/trainers/torch_trainer.py', import.meta.url),
);
/** What is kept of what a trainer writes on stderr. */
export const SAID_CHARS_MAX = 2000;
/** How long a trainer may take to end by itself. */
const PATIENCE_MS = 5000;

/** Program and arguments of a trainer, without the job. */
export function trainerCommand(choice: TrainerChoice): [string, ...string[]] {
  if (choice === BUILT_IN) return [process.execPath, MAIN];
  if (choice === 'pytorch') return [process.env.DLV_PYTHON ?? 'python3', SCRIPT];
  const [program, ...rest] = choice.command;
  return [program as string, ...rest];
}

/** How a process ended, in words; null if well. */
export function endedHow(code: number | null, signal: string | null): string | null {
  if (code === 0) return null;
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/**
 * Runs a trainer to its end.
 * @param job  path of the job; its folder is the trainer's.
 * @param seconds  how long it may take; 0: as long as it wants.
 * @throws {AbortedError} if the signal ended it.
 */
export async function runTrainer(
  { trainer, job, seconds = 0 }: { trainer: TrainerChoice; job: string; seconds?: number },
  listener: Listener,
  signal?: AbortSignal,
): Promise<TrainingEnd> {
  if (signal?.aborted) throw new AbortedError();
  const [program, ...args] = trainerCommand(trainer);
  const hearing = new Hearing(listener);
  let child: ChildProcess;
  try {
    child = await startProgram(program, [...args, job], {
      cwd: path.dirname(job),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    if (error instanceof NotStarted) return hearing.end(error.message, '');
    throw error;
  }
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-SAID_CHARS_MAX);
  });
  let timer: NodeJS.Timeout | null = null;
  const stop = (): void => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    timer.unref();
  };
  let isLate = false;
  const limit =
    seconds === 0
      ? null
      : setTimeout(() => {
          isLate = true;
          stop();
        }, seconds * 1000);
  signal?.addEventListener('abort', stop, { once: true });
  const closed = new Promise<string | null>((resolve) => {
    child.once('close', (code, name) => resolve(endedHow(code, name)));
  });
  const lines = createInterface({ input: child.stdout as Readable });
  for await (const line of lines) hearing.line(line);
  const problem = await closed;
  for (const each of [timer, limit]) if (each !== null) clearTimeout(each);
  signal?.removeEventListener('abort', stop);
  if (signal?.aborted) throw new AbortedError();
  if (isLate) return hearing.failed(lateText(seconds));
  return hearing.end(problem, said);
}

/** Why a trial that took too long failed. */
export function lateText(seconds: number): string {
  return `it took longer than ${seconds} seconds, which executor.timeSeconds allows`;
}
