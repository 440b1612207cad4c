/** A trainer as a process: starts it on a job, reads its lines, ends it when asked. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AbortedError } from '../../../base/errors.js';
import { JOB_BYTES_MAX } from '../../../base/limits.js';
import { BUILT_IN } from '../built-in.js';
import type { EndState, Message } from '../messages.js';

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
const SAID_CHARS_MAX = 2000;
/** How long a trainer may take to end by itself. */
const PATIENCE_MS = 5000;

/** How a trainer ended, and why if it failed. */
export interface TrainingEnd {
  state: EndState;
  iteration: number;
  message: string | null;
}

/** Program and arguments of a trainer, without the job. */
export function trainerCommand(choice: TrainerChoice): [string, ...string[]] {
  if (choice === BUILT_IN) return [process.execPath, MAIN];
  if (choice === 'pytorch') return [process.env.DLV_PYTHON ?? 'python3', SCRIPT];
  const [program, ...rest] = choice.command;
  return [program as string, ...rest];
}

/**
 * Runs a trainer to its end.
 * @param job  path of the job; its folder is the trainer's.
 * @param hear  told of each line but the last.
 * @throws {AbortedError} if the signal ended it.
 */
export async function runTrainer(
  choice: TrainerChoice,
  job: string,
  hear: (message: Message) => void,
  signal?: AbortSignal,
): Promise<TrainingEnd> {
  if (signal?.aborted) throw new AbortedError();
  const [program, ...args] = trainerCommand(choice);
  const child = spawn(program, [...args, job], {
    cwd: path.dirname(job),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-SAID_CHARS_MAX);
  });
  let timer: NodeJS.Timeout | null = null;
  const stop = (): void => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    timer.unref();
  };
  signal?.addEventListener('abort', stop, { once: true });
  const closed = new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(`'${program}' cannot be started: ${error.message}`));
    child.once('close', (code, name) => {
      resolve(code === 0 ? null : name === null ? `exit code ${code}` : `signal ${name}`);
    });
  });
  let end: TrainingEnd | null = null;
  let [iteration, odd] = [0, ''];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.trim() === '') continue;
    const message = line.length > JOB_BYTES_MAX ? null : parseMessage(line);
    if (message === null) odd ||= line.slice(0, 200);
    else if (message.event === 'end') {
      const { state, message: why = null } = message;
      end = { state, iteration: message.iteration, message: why };
    } else {
      if (message.event !== 'start') iteration = message.iteration;
      hear(message);
    }
  }
  const problem = await closed;
  if (timer !== null) clearTimeout(timer);
  signal?.removeEventListener('abort', stop);
  if (signal?.aborted) throw new AbortedError();
  const last = said.trim().split('\n').at(-1) ?? '';
  if (end !== null)
    return end.state === 'failed' && end.message === null ? { ...end, message: last } : end;
  const why = [
    problem === null ? 'the trainer ended without saying how' : `the trainer ended with ${problem}`,
    ...(last === '' ? [] : [last]),
    ...(odd === '' ? [] : [`it said '${odd}', which is no message`]),
  ];
  return { state: 'failed', iteration, message: why.join(': ') };
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

const STATES: readonly string[] = ['done', 'failed', 'nan', 'stopped'] satisfies EndState[];

/** A line as a message; null if it is none. Names that are not known are passed over. */
function parseMessage(line: string): Message | null {
  let value: Partial<Record<string, unknown>>;
  try {
    value = JSON.parse(line) as Partial<Record<string, unknown>>;
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { event, iteration, time = 0, state, message, file, values } = value;
  if (event === 'start') {
    const { trainer = '', parameters = 0, examples = 0 } = value;
    return {
      event,
      trainer: String(trainer),
      parameters: Number(parameters),
      examples: Number(examples),
    };
  }
  if (!isCount(iteration) || typeof time !== 'number') return null;
  if (event === 'metrics' && typeof values === 'object' && values !== null) {
    const entries = Object.entries(values).filter(
      ([name, one]) => name !== '' && (one === null || typeof one === 'number'),
    );
    return { event, iteration, time, values: Object.fromEntries(entries) };
  }
  // A checkpoint is a file of the folder for checkpoints, and nothing outside.
  if (event === 'checkpoint' && typeof file === 'string' && path.basename(file) === file) {
    return { event, iteration, file };
  }
  if (event === 'end' && STATES.includes(String(state))) {
    const told = typeof message === 'string' ? { message } : {};
    return { event, state: state as EndState, iteration, time, ...told };
  }
  return null;
}
