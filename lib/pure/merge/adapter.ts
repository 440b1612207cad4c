/**
 * Low-rank adapters (LoRA, Hu et al., ICLR 2022; DoRA, Liu et al., ICML 2024) in the form that Hugging Face PEFT saves:
 * which tensors of an adapter change which weight, by what factor, and the weight that comes out.
 */
import { UsageError } from '../../base/errors.js';
import { matchTest } from '../where/pattern.js';

/** What `adapter_config.json` says that matters here. */
export interface AdapterConfig {
  rank: number;
  alpha: number;
  /** Divides alpha by the root of the rank instead of the rank. */
  usesRootOfRank: boolean;
  /** DoRA: every weight has magnitudes. */
  hasMagnitudes: boolean;
  /** Weights are stored as inputs × outputs. */
  isTransposed: boolean;
  /** Ranks and alphas of single modules, by the end of their name or a pattern. */
  ranks: readonly [string, number][];
  alphas: readonly [string, number][];
}

/** A pair of factors, by the names of its tensors. */
export interface AdapterPair {
  /** rank × inputs (× kernel). */
  down: string;
  /** outputs × rank (× 1 × 1). */
  up: string;
  /** DoRA: the length of each row of the result. */
  magnitude: string | null;
  isEmbedding: boolean;
}

/** What an adapter does, by the names of the weights that it changes. */
export interface AdapterPlan {
  pairs: Map<string, AdapterPair>;
  /** Weights that take the place of the base's, by their names there. */
  replaced: Map<string, string>;
}

const UNSUPPORTED: readonly [RegExp, string][] = [
  [/\.lora_B(\.[^.]+)?\.bias$/, 'an adapter with biases of its own (lora_bias)'],
  [/\.trainable_tokens_/, 'an adapter that trains single tokens'],
  [/\.(hada|lokr|oft|vera|ia3|boft)_/, 'an adapter of another kind than LoRA'],
];

const MAGNITUDE = /^(.*)\.lora_magnitude_vector(?:\.(?!weight$)[^.]+)?(?:\.weight)?$/;
const FACTOR = /^(.*)\.lora_(embedding_)?([AB])(?:\.(?!weight$)[^.]+)?(?:\.weight)?$/;

/** Names of weights in the base as adapters give them: `base_model.model.` is the wrapper of PEFT. */
function targetName(name: string): string {
  return name.replace(/^base_model\.model\./, '').replace(/\.base_layer\b/, '');
}

/** @throws {UsageError} for what is no complete LoRA adapter. */
export function planAdapter(names: readonly string[], place: string): AdapterPlan {
  const found = new Map<string, Partial<AdapterPair>>();
  const replaced = new Map<string, string>();
  for (const name of names) {
    for (const [pattern, what] of UNSUPPORTED) {
      if (!pattern.test(name)) continue;
      throw new UsageError(`'${place}' is ${what}: '${name}'`, {
        hint: 'merge it with PEFT (merge_and_unload), then commit the result',
      });
    }
    const [, ofModule] = MAGNITUDE.exec(name) ?? [];
    if (ofModule !== undefined) {
      const target = `${targetName(ofModule)}.weight`;
      found.set(target, { ...found.get(target), magnitude: name });
      continue;
    }
    const match = FACTOR.exec(name);
    if (match === null) {
      const own = targetName(name).replace(/\.modules_to_save(\.[^.]+)?(?=\.)/, '');
      replaced.set(own, name);
      continue;
    }
    const [, module, embedding, side] = match;
    const target = `${targetName(module as string)}.weight`;
    const pair = { ...found.get(target), isEmbedding: embedding !== undefined };
    if (side === 'A') pair.down = name;
    else pair.up = name;
    found.set(target, pair);
  }
  const pairs = new Map<string, AdapterPair>();
  for (const [target, { down, up, magnitude = null, isEmbedding = false }] of found) {
    if (down === undefined || up === undefined) {
      throw new UsageError(`'${place}' has one half of the adapter of '${target}' alone`, {
        hint: 'commit the whole adapter',
      });
    }
    pairs.set(target, { down, up, magnitude, isEmbedding });
  }
  if (pairs.size > 0) return { pairs, replaced };
  throw new UsageError(`'${place}' is no LoRA adapter: no tensor is called lora_A or lora_B`, {
    hint: 'name a folder or version with adapter_model.safetensors and adapter_config.json of PEFT',
  });
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function patternOf(value: unknown): [string, number][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, given]) => {
    const number = numberOf(given);
    return number === null ? [] : [[name, number] as [string, number]];
  });
}

/** @param text  of adapter_config.json. @throws {UsageError} if it does not say rank and alpha. */
export function readAdapterConfig(text: string, place: string): AdapterConfig {
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(text) as Record<string, unknown>;
  } catch {
    given = {};
  }
  const rank = numberOf(given?.r);
  const alpha = numberOf(given?.lora_alpha);
  if (rank === null || alpha === null || rank <= 0) {
    throw new UsageError(`'${place}' does not say 'r' and 'lora_alpha'`, {
      hint: 'it must be the adapter_config.json that PEFT saved',
    });
  }
  refuseOthers(given, place);
  return {
    rank,
    alpha,
    usesRootOfRank: given.use_rslora === true,
    hasMagnitudes: given.use_dora === true,
    isTransposed: given.fan_in_fan_out === true,
    ranks: patternOf(given.rank_pattern),
    alphas: patternOf(given.alpha_pattern),
  };
}

/** Ways to begin an adapter that leave the weights below it as they are. */
const PLAIN_BEGINNINGS: readonly unknown[] = [
  true,
  false,
  null,
  undefined,
  'gaussian',
  'eva',
  'orthogonal',
];

/** Settings that make another weight than W + scale · BA of it, or a DoRA of that. */
const OTHER_ARITHMETIC: readonly [key: string, what: string][] = [
  ['layer_replication', 'repeats layers'],
  ['alora_invocation_tokens', 'acts after some tokens alone'],
  ['use_qalora', 'is one for quantised groups (QALoRA)'],
  ['use_bdlora', 'has blocks (BD-LoRA)'],
  ['arrow_config', 'routes between adapters (Arrow)'],
  ['monteclora_config', 'is drawn at random (MonteCLoRA)'],
  ['kasa_config', 'changes the weights below it (KaSA)'],
  ['velora_config', 'is one of VeLoRA'],
];

/** @throws {UsageError} for an adapter of which PEFT makes something else than what is computed here. */
function refuseOthers(given: Record<string, unknown>, place: string): void {
  const refuse = (what: string): never => {
    throw new UsageError(`the adapter of '${place}' ${what}`, {
      hint: 'merge it with PEFT (merge_and_unload), then commit the result',
    });
  };
  const { peft_type: type, init_lora_weights: beginning } = given;
  if (typeof type === 'string' && type !== 'LORA') refuse(`is of the kind ${type}, not LORA`);
  if (!PLAIN_BEGINNINGS.includes(beginning)) {
    refuse(
      `began with changing the weights below it (init_lora_weights: ${JSON.stringify(beginning)})`,
    );
  }
  for (const [key, what] of OTHER_ARITHMETIC) {
    const value = given[key];
    const isSet = Array.isArray(value) ? value.length > 0 : Boolean(value);
    if (isSet) refuse(`${what} (${key})`);
  }
}

/** A number that a pattern gives for a module, as PEFT finds it: the first that fits the end of its name. */
function ofModule(patterns: readonly [string, number][], module: string): number | null {
  const found = patterns.find(([key]) => matchTest(`^(.*\\.)?(${key})$`, false)(module));
  return found === undefined ? null : found[1];
}

/**
 * The factor of up × down for one weight.
 * @param rank  of the factors. @throws {UsageError} if the configuration says another.
 */
export function adapterScale(config: AdapterConfig, target: string, rank: number): number {
  const module = target.replace(/\.weight$/, '');
  const said = ofModule(config.ranks, module) ?? config.rank;
  if (said !== rank) {
    throw new UsageError(
      `the adapter of '${target}' has rank ${rank}, its configuration says ${said}`,
      {
        tensor: target,
        hint: 'commit adapter_config.json and the tensors that PEFT saved together',
      },
    );
  }
  const alpha = ofModule(config.alphas, module) ?? config.alpha;
  return alpha / (config.usesRootOfRank ? Math.sqrt(rank) : rank);
}

/** Two factors of a change, float64, and how they are laid out against the weight. */
export interface Factors {
  /** rank × columns, row-major. */
  down: Float64Array;
  /** rows × rank, row-major. */
  up: Float64Array;
  rank: number;
  rows: number;
  columns: number;
  scale: number;
  /** The weight is columns × rows. */
  isTransposed: boolean;
}

/** The shape of a weight as rows × columns must fit its factors. @returns what is wrong, or null. */
export function factorsProblem(
  weight: readonly number[],
  { down, up }: { down: readonly number[]; up: readonly number[] },
  isTransposed: boolean,
): string | null {
  const size = (shape: readonly number[]): number => shape.reduce((all, one) => all * one, 1);
  const [rank = 0] = down;
  const [rows = 0, inner = 0] = up;
  const columns = size(down.slice(1));
  const isFlat = up.slice(2).every((one) => one === 1);
  if (rank !== inner || !isFlat) return `its factors are ${up.join('×')} and ${down.join('×')}`;
  const [first = 0] = weight;
  const fits =
    size(weight) === rows * columns && (isTransposed ? weight[weight.length - 1] : first) === rows;
  if (fits) return null;
  return `the weight is ${weight.join('×')}, the adapter changes ${rows}×${columns}`;
}

/** Adds up the squares of each row of a piece. @param sums  of each row. @param start  index of its first element. */
export function addSquares(
  sums: Float64Array,
  piece: Float64Array,
  start: number,
  shape: Pick<Factors, 'rows' | 'columns' | 'isTransposed'>,
): void {
  for (const [i, value] of piece.entries()) sums[rowOf(start + i, shape)]! += value * value;
}

/** Multiplies each row of a piece, in place. */
export function scaleRows(
  piece: Float64Array,
  start: number,
  factors: Float64Array,
  shape: Pick<Factors, 'rows' | 'columns' | 'isTransposed'>,
): void {
  for (let i = 0; i < piece.length; i++) piece[i]! *= factors[rowOf(start + i, shape)] as number;
}

/** The row of an element of the weight: the output that it belongs to. */
function rowOf(
  index: number,
  { rows, columns, isTransposed }: Pick<Factors, 'rows' | 'columns' | 'isTransposed'>,
): number {
  return isTransposed ? index % rows : Math.floor(index / columns);
}

/** Adds the change to a piece of the weight, in place. @param start  index of its first element in the weight. */
export function addFactors(piece: Float64Array, start: number, factors: Factors): void {
  const { down, up, rank, rows, columns, scale, isTransposed } = factors;
  const width = isTransposed ? rows : columns;
  let at = 0;
  while (at < piece.length) {
    const line = Math.floor((start + at) / width);
    const from = (start + at) % width;
    const count = Math.min(width - from, piece.length - at);
    const sums = new Float64Array(count);
    for (let r = 0; r < rank; r++) {
      if (isTransposed) {
        const factor = down[r * columns + line] as number;
        for (let i = 0; i < count; i++) sums[i]! += factor * (up[(from + i) * rank + r] as number);
      } else {
        const factor = up[line * rank + r] as number;
        const row = r * columns + from;
        for (let i = 0; i < count; i++) sums[i]! += factor * (down[row + i] as number);
      }
    }
    for (let i = 0; i < count; i++) piece[at + i]! += scale * (sums[i] as number);
    at += count;
  }
}
