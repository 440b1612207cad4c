/** SGD, Adam and AdamW: the program that moves all weights, with rates that change from step to step. */
import { pushAll } from '../../base/bytes/many.js';
import { operation } from '../../base/native/compute.js';
import type { OptimizerOptions, WeightSettings } from './job.js';
import type { NetworkProgram } from './network-program.js';
import { floatsOf } from './network-program.js';
import type { Weight } from './values.js';

/** Lists of numbers that are kept for each weight. */
export function keptLists({ name, momentum }: OptimizerOptions): string[] {
  if (name === 'sgd') return momentum === 0 ? [] : ['momentum'];
  return ['first', 'second'];
}

/** Floats that are kept. */
export function keptFloats(options: OptimizerOptions, weights: readonly Weight[]): number {
  return keptLists(options).length * floatsOf(weights);
}

interface Moved {
  weight: Weight;
  settings: Pick<WeightSettings, 'lr' | 'weight_decay'>;
  /** First float of each kept list. */
  kept: readonly number[];
  /** Place of its operation in the program. */
  at: number;
}

/** Words of an operation in front of its floats: its number, then six whole numbers. */
const WHOLE_WORDS = 7;

export class Optimizer {
  readonly #options: OptimizerOptions;
  readonly #program: NetworkProgram;
  readonly #moved: Moved[] = [];
  readonly #words: Int32Array;
  readonly #floats: Float32Array;
  /** Steps that were made. */
  done = 0;

  constructor(
    program: NetworkProgram,
    options: OptimizerOptions,
    settingsOf: (name: string) => Pick<WeightSettings, 'lr' | 'weight_decay'>,
  ) {
    this.#options = options;
    this.#program = program;
    const lists = keptLists(options);
    const words: number[] = [];
    let next = program.kept;
    for (const weight of program.trained) {
      const kept = lists.map(() => {
        const at = next;
        next += floatsOf([weight]);
        return at;
      });
      const settings = settingsOf(weight.name);
      this.#moved.push({ weight, settings, kept, at: words.length });
      pushAll(words, this.#operation(weight, settings, kept));
    }
    this.#words = Int32Array.from(words);
    this.#floats = new Float32Array(this.#words.buffer);
  }

  #operation(
    { slot }: Weight,
    { weight_decay }: Moved['settings'],
    kept: readonly number[],
  ): number[] {
    const { name, momentum, dampening, nesterov, beta1, beta2, eps } = this.#options;
    const decay = this.#options.weight_decay * weight_decay;
    const places = [slot.size, slot.at, slot.back];
    if (name === 'sgd') {
      const whole = [...places, kept[0] ?? -1, nesterov ? 1 : 0, 1];
      return operation('sgd', whole, [0, momentum, dampening, decay]);
    }
    const whole = [...places, ...kept, name === 'adamw' ? 1 : 0];
    return operation('adam', whole, [0, beta1, beta2, eps, decay, 0, 1]);
  }

  /** Moves the weights. @param rate  of this step, before factors of layers. */
  step(rate: number): void {
    const { name, beta1, beta2 } = this.#options;
    this.done += 1;
    const scale = 1 / (1 - beta1 ** this.done);
    const root = Math.sqrt(1 - beta2 ** this.done);
    for (const { at, settings } of this.#moved) {
      const floats = at + WHOLE_WORDS;
      const own = rate * settings.lr;
      this.#floats[floats] = own;
      if (name === 'sgd') this.#words[floats - 1] = this.done === 1 ? 1 : 0;
      else {
        this.#floats[floats + 5] = own * scale;
        this.#floats[floats + 6] = root;
      }
    }
    this.#program.arena.run(this.#words);
  }

  /** What is kept, by list and weight: 'momentum/conv1.weight'. */
  kept(): Map<string, Float32Array> {
    const { floats } = this.#program.arena;
    const lists = keptLists(this.#options);
    return new Map(
      this.#moved.flatMap(({ weight: { name, slot }, kept }) =>
        kept.map((at, i) => [`${lists[i]}/${name}`, floats.subarray(at, at + slot.size)] as const),
      ),
    );
  }
}
