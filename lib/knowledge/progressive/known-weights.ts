/** Weights as graphs of bounds are fed with them: kept in the process under the names of the graphs' inputs. */
import type { BoundsOf, WeightInput } from '../../pure/bounds/weights.js';
import type { Fed, Placed } from '../inference/messages.js';
import type { Workbench } from '../inference/workbench.js';
import type { LoadedWeights } from './plane-source.js';

export interface KnowOptions {
  changed?: ReadonlySet<string>;
  weights?: LoadedWeights;
}

export class KnownWeights {
  readonly #bench: Workbench;
  readonly #kept = new Map<string, WeightInput>();
  #boundsOf: BoundsOf | null = null;
  #weights: LoadedWeights | null = null;
  /** Parameters whose radii are taken for smaller, while it is tried what that would prove. */
  #supposed: { parameters: ReadonlySet<string>; bits: number; boundsOf: BoundsOf } | null = null;

  constructor(bench: Workbench) {
    this.#bench = bench;
  }

  /** Keeps inputs from now on, if they are not kept yet. */
  keepNew(inputs: readonly WeightInput[]): Promise<void> {
    return this.keep(inputs.filter(({ name }) => !this.#kept.has(name)));
  }

  /** Keeps inputs from now on. */
  async keep(inputs: readonly WeightInput[]): Promise<void> {
    for (const input of inputs) this.#kept.set(input.name, input);
    const boundsOf = this.#boundsOf;
    if (boundsOf === null) return;
    for (const input of inputs) {
      const placed = this.#placed(input);
      // Centers are the same whatever is supposed of radii.
      const guessed = input.isCenter ? boundsOf : (this.#supposed?.boundsOf ?? boundsOf);
      if (placed !== null) await this.#bench.read(placed);
      // One message each: a message of all weights would hold them twice.
      else await this.#bench.keep([fedWeight(input, input.make(guessed))]);
    }
  }

  /** An input that the process reads from the network's file by itself; null: it is sent. */
  #placed({ name, dims, parameters, form }: WeightInput): Placed | null {
    const weights = this.#weights;
    const [parameter = ''] = parameters;
    const place = weights?.placeOf(parameter);
    if (!weights || !place || (form !== 'center' && form !== 'radius')) return null;
    const shrunk = this.#supposed?.parameters.has(parameter) ? this.#supposed.bits : 0;
    return { name, dims: [...dims], path: weights.path, ...place, form, shrunk };
  }

  /**
   * Takes what is known of parameters now.
   * @param options.changed  those that it differs for; default all.
   * @param options.weights  where elements stand in a file, so that they need not be sent.
   */
  async know(boundsOf: BoundsOf, { changed, weights }: KnowOptions = {}): Promise<void> {
    this.#boundsOf = boundsOf;
    this.#weights = weights ?? null;
    await this.keep([...this.#kept.values()].filter((input) => isOf(input, changed)));
  }

  /** Runs an action as if the radii of some parameters were 2^bits times smaller. */
  async supposing<T>(
    parameters: ReadonlySet<string>,
    bits: number,
    action: () => Promise<T>,
  ): Promise<T> {
    const known = this.#boundsOf as BoundsOf;
    const factor = 2 ** -bits;
    const boundsOf: BoundsOf = (name) => {
      const bounds = known(name);
      if (!parameters.has(name)) return bounds;
      const shrink = (end: number, i: number): number => {
        const center = (bounds.low[i] as number) / 2 + (bounds.high[i] as number) / 2;
        return center + (end - center) * factor;
      };
      return { low: bounds.low.map(shrink), high: bounds.high.map(shrink) };
    };
    const keep = (): Promise<void> =>
      this.keep(
        [...this.#kept.values()].filter((input) => !input.isCenter && isOf(input, parameters)),
      );
    this.#supposed = { parameters, bits, boundsOf };
    try {
      await keep();
      return await action();
    } finally {
      this.#supposed = null;
      await keep();
    }
  }
}

/** True if an input is made of some of these parameters; of all, without them. */
function isOf(input: WeightInput, parameters: ReadonlySet<string> | undefined): boolean {
  return parameters === undefined || input.parameters.some((name) => parameters.has(name));
}

function fedWeight({ name, dims, type }: WeightInput, values: Float32Array | Float64Array): Fed {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, type, dims: [...dims], bytes };
}
