/** The examples of a cascade as networks are fed with them, and their scores by the network itself. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { UsageError } from '../../base/errors.js';
import { Feeder } from '../inference/feeds.js';
import type { Fed } from '../inference/messages.js';
import type { AddedNetwork, Workbench } from '../inference/workbench.js';
import type { NetworkBounds } from './network-bounds.js';
import { timed } from './patience.js';
import type { CascadeOptions, Stage } from './stages.js';

export class Queries {
  readonly #bench: Workbench;
  readonly #o: CascadeOptions;
  readonly #feeder: Feeder;
  readonly #output: string;

  /** What is run for scores: the network with its weights, or one whose weights are tensors that are kept. */
  run: { name: string; named: Record<string, string> } = { name: 'network', named: {} };

  /** @throws {UsageError} if the network has not the output that is asked for. */
  constructor(bench: Workbench, options: CascadeOptions, network: AddedNetwork) {
    this.#bench = bench;
    this.#o = options;
    this.#feeder = new Feeder(network.inputs, options);
    const { output, label } = options;
    const found =
      output === undefined
        ? network.outputs[0]
        : network.outputs.find(({ name }) => name === output);
    if (found === undefined) {
      throw new UsageError(`'${label}' has no output '${output ?? ''}'`, {
        file: label,
        hint: `its outputs are ${network.outputs.map(({ name }) => name).join(', ')}`,
      });
    }
    this.#output = found.name;
  }

  /** Batches of examples as the network is fed. @param wanted  null: all. */
  async *batches(
    wanted: readonly number[] | null,
    most = this.#o.batch,
  ): AsyncGenerator<{ fed: Fed[]; first: number; count: number; rows: number }> {
    const feeder = this.#feeder;
    const { set } = this.#o;
    const batch = feeder.batch(Math.min(most, set.examples));
    const isWanted = wanted === null ? null : new Set(wanted.map((i) => Math.floor(i / batch)));
    for (let first = 0; first < set.examples; first += batch) {
      throwIfAborted(this.#o.signal);
      if (isWanted?.has(first / batch) === false) continue;
      const count = Math.min(batch, set.examples - first);
      const rows = feeder.fixed ?? count;
      yield { fed: await feeder.read(first, count, rows), first, count, rows };
    }
  }

  /** Scores of examples; empty for those that are not wanted. */
  scores(stage: Stage, wanted: readonly number[] | null): Promise<number[][]> {
    return timed(stage.milliseconds, 'answers', () => this.#scoresOf(wanted));
  }

  async #scoresOf(wanted: readonly number[] | null): Promise<number[][]> {
    const scores: number[][] = Array.from({ length: this.#o.set.examples }, () => []);
    for await (const { fed, first, count, rows } of this.batches(wanted)) {
      const [found] = await this.#bench.pass({
        ...this.run,
        inputs: fed,
        kept: [],
        outputs: [this.#output],
      });
      const width = (found?.values.length ?? 0) / rows;
      if (found === undefined || found.dims[0] !== rows || !Number.isInteger(width)) {
        throw new UsageError(
          `output '${this.#output}' of '${this.#o.label}' has not one row an example`,
          { file: this.#o.label, hint: 'name another output: --output' },
        );
      }
      for (let i = 0; i < count; i++) {
        scores[first + i] = [...found.values.subarray(i * width, (i + 1) * width)];
      }
    }
    return scores;
  }

  /** One example as a batch. */
  async one(bounds: NetworkBounds, example: number): Promise<Fed[]> {
    const feeder = this.#feeder;
    return bounds.given(await feeder.read(example, 1, feeder.fixed ?? 1));
  }
}
