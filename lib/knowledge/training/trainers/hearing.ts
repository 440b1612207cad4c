/** What a trainer says, line by line, until it has said how it ended. */
import path from 'node:path';
import { JOB_BYTES_MAX } from '../../../base/limits.js';
import type { EndState, Message } from '../messages.js';

/** How a trainer ended, and why if it failed. */
export interface TrainingEnd {
  state: EndState;
  iteration: number;
  message: string | null;
}

/** Told of what a trainer says. */
export interface Listener {
  /** Each line but the last. */
  hear(message: Message): void;
  /** The trainer begins again: nothing that it said before counts. */
  restart(): void;
}

/** The lines of one trainer. */
export class Hearing {
  readonly #listener: Listener;
  #end: TrainingEnd | null = null;
  #iteration = 0;
  /** The first line that is no message. */
  #odd = '';

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  line(line: string): void {
    if (line.trim() === '') return;
    const message = line.length > JOB_BYTES_MAX ? null : parseMessage(line);
    if (message === null) this.#odd ||= line.slice(0, 200);
    else if (message.event === 'end') {
      const { state, message: why = null } = message;
      this.#end = { state, iteration: message.iteration, message: why };
    } else {
      if (message.event !== 'start') this.#iteration = message.iteration;
      this.#listener.hear(message);
    }
  }

  /** True once the trainer has said how it ended. */
  get hasEnd(): boolean {
    return this.#end !== null;
  }

  /**
   * How the trainer ended.
   * @param problem  how its process ended, if not well; @param said  what it wrote on stderr.
   */
  end(problem: string | null, said: string): TrainingEnd {
    const last = said.trim().split('\n').at(-1) ?? '';
    const end = this.#end;
    if (end !== null)
      return end.state === 'failed' && end.message === null ? { ...end, message: last } : end;
    const why = [
      problem === null
        ? 'the trainer ended without saying how'
        : `the trainer ended with ${problem}`,
      ...(last === '' ? [] : [last]),
      ...(this.#odd === '' ? [] : [`it said '${this.#odd}', which is no message`]),
    ];
    return { state: 'failed', iteration: this.#iteration, message: why.join(': ') };
  }

  /** A trainer that was ended from outside, for a reason. */
  failed(message: string): TrainingEnd {
    return { state: 'failed', iteration: this.#iteration, message };
  }
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
