/** A network in a process of its own, that runs it. */
import { dirname } from 'node:path';
import { InferenceError } from '../../base/errors.js';
import { Channel } from './channel.js';
import type { Reply, Request, RunOptions, RuntimeValue } from './messages.js';

/** A network that is loaded. Close it. */
export class Runtime {
  readonly version: string;
  readonly inputs: readonly RuntimeValue[];
  readonly outputs: readonly RuntimeValue[];
  readonly #channel: Channel;

  private constructor(channel: Channel, loaded: Extract<Reply, { kind: 'loaded' }>) {
    this.#channel = channel;
    this.version = loaded.version;
    this.inputs = loaded.inputs;
    this.outputs = loaded.outputs;
  }

  /**
   * Starts a process and loads a network into it.
   * @param path  of a file of its own; data files that it names lie beside it.
   * @param label  how errors call the network.
   * @throws {InferenceError} if there is no runtime or it refuses the network; {AbortedError}
   */
  static async open(
    path: string,
    label: string,
    options: RunOptions,
    signal?: AbortSignal,
  ): Promise<Runtime> {
    const channel = new Channel(label, dirname(path), signal);
    try {
      const reply = await channel.ask({ kind: 'load', path, options });
      if (reply.kind === 'loaded') return new Runtime(channel, reply);
      throw new InferenceError(`'${label}' was not loaded`, { file: label });
    } catch (error) {
      await channel.close();
      throw error;
    }
  }

  /** One pass. @throws {InferenceError} {AbortedError} */
  async run(request: Omit<Extract<Request, { kind: 'run' }>, 'kind'>): Promise<{
    dims: number[];
    values: Float64Array;
    milliseconds: number;
  }> {
    const reply = await this.#channel.ask({ kind: 'run', ...request });
    if (reply.kind === 'result') return reply;
    throw new InferenceError('the runtime gave no result');
  }

  /** One pass of a language model. @throws {InferenceError} {AbortedError} */
  async score(
    request: Omit<Extract<Request, { kind: 'score' }>, 'kind'>,
  ): Promise<Omit<Extract<Reply, { kind: 'scored' }>, 'kind'>> {
    const reply = await this.#channel.ask({ kind: 'score', ...request });
    if (reply.kind === 'scored') return reply;
    throw new InferenceError('the runtime gave no result');
  }

  /** Bytes that the process took for the runtime and the network, at its most. @throws {InferenceError} */
  async memoryBytes(): Promise<number> {
    const reply = await this.#channel.ask({ kind: 'memory' });
    if (reply.kind === 'memory') return Math.max(0, reply.peak - reply.before);
    throw new InferenceError('the runtime gave no answer');
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}
