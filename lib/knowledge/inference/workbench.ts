/** Several networks and tensors in one process: graphs of bounds, and the network that they are of. */
import { InferenceError } from '../../base/errors.js';
import { Channel } from './channel.js';
import type { Fed, Passed, Placed, Request, RunOptions, RuntimeValue } from './messages.js';

/** A network that was added. */
export interface AddedNetwork {
  /** Of onnxruntime. */
  version: string;
  inputs: RuntimeValue[];
  outputs: RuntimeValue[];
}

/** A process for networks and tensors. Close it. */
export class Workbench {
  readonly #channel: Channel;
  /** Milliseconds that passes took, in the runtime alone. */
  milliseconds = 0;

  /** @param label  how errors call what is run. @param folder  for files that the runtime makes. */
  constructor(label: string, folder: string, signal?: AbortSignal) {
    this.#channel = new Channel(label, folder, signal);
  }

  /**
   * Loads a network under a name; one of that name is replaced.
   * @param model  a file, or the bytes of a graph.
   * @throws {InferenceError} if there is no runtime or it refuses the network; {AbortedError}
   */
  async add(name: string, model: string | Uint8Array, options: RunOptions): Promise<AddedNetwork> {
    const reply = await this.#channel.ask({ kind: 'add', name, model, options });
    if (reply.kind === 'loaded') return reply;
    throw new InferenceError('the runtime did not load a graph');
  }

  /** Keeps tensors in the process under their names. @throws {InferenceError} {AbortedError} */
  async keep(tensors: Fed[]): Promise<void> {
    await this.#channel.ask({ kind: 'keep', tensors });
  }

  /** Keeps a tensor that the process reads from a file. @throws {InferenceError} {AbortedError} */
  async read(tensor: Placed): Promise<void> {
    await this.#channel.ask({ kind: 'read', tensor });
  }

  /** One pass of an added network. @returns the outputs in their order. @throws as `add`. */
  async pass(request: Omit<Extract<Request, { kind: 'pass' }>, 'kind'>): Promise<Passed[]> {
    const reply = await this.#channel.ask({ kind: 'pass', ...request });
    if (reply.kind !== 'passed') throw new InferenceError('the runtime gave no result');
    this.milliseconds += reply.milliseconds;
    return reply.results;
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}
