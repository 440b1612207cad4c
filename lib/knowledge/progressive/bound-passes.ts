/** Graphs of bounds in a process: loaded when they are first needed, and fed with the weights that are kept there. */
import type { Program } from '../../pure/bounds/programs.js';
import type { Fed, RunOptions } from '../inference/messages.js';
import type { Workbench } from '../inference/workbench.js';
import { KnownWeights } from './known-weights.js';

export class BoundPasses {
  readonly weights: KnownWeights;
  readonly #bench: Workbench;
  readonly #options: RunOptions;
  readonly #programs = new Map<string, Program>();

  constructor(bench: Workbench, options: RunOptions) {
    this.#bench = bench;
    this.#options = options;
    this.weights = new KnownWeights(bench);
  }

  async load(name: string, program: Program): Promise<void> {
    await this.#bench.add(name, program.bytes, this.#options);
    this.#programs.set(name, program);
    await this.weights.keep(program.weights);
  }

  /** Runs a graph. @param make  builds it, if it is not loaded yet. @param feeds  of which it takes those that it has. */
  async run(name: string, make: () => Program, feeds: Fed[], outputs: string[]) {
    if (!this.#programs.has(name)) await this.load(name, make());
    const program = this.#programs.get(name) as Program;
    const wanted = new Set(program.inputs);
    return this.#bench.pass({
      name,
      inputs: feeds.filter((fed) => wanted.has(fed.name)),
      kept: program.weights.map((input) => input.name),
      outputs,
    });
  }
}
