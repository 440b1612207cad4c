/** A language model on windows of tokens: how well it predicts each token that follows. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { InferenceError, UsageError } from '../../base/errors.js';
import { LOGITS_BYTES } from '../../base/limits.js';
import {
  emptyTokenOutcomes,
  enterTokens,
  type TokenOutcomes,
} from '../../pure/metrics/outcomes.js';
import { NO_TARGET } from '../../pure/metrics/token-scores.js';
import { TOKEN_INPUTS } from './data/texts.js';
import type { TokenWindows } from './data/token-windows.js';
import type { Fed, FedType, RuntimeValue } from './messages.js';
import type { Runtime } from './runtime.js';

/** What a run of a language model needs to know. */
export interface LanguageRun {
  label: string;
  windows: TokenWindows;
  batch: number;
  signal?: AbortSignal | undefined;
  onExamples?: ((count: number) => void) | undefined;
}

type TokenInput = keyof typeof TOKEN_INPUTS;

/** Where an input comes from; 'past': what was seen before, which is nothing. */
type Source = TokenInput | 'past' | 'branch';

const PAST = /^past(_key_values?)?\b|^past_|^cache[._]/i;

/** Feeds windows into a network that takes numbers of tokens. */
export class TokenFeeder {
  /** Windows of each pass, where the network has that fixed; else null. */
  readonly fixed: number | null;
  readonly #inputs: readonly { value: RuntimeValue; source: Source }[];
  readonly #windows: TokenWindows;
  /** Tokens of a window as it is fed. */
  readonly #length: number;
  readonly #label: string;

  /** @throws {UsageError} if the network takes something else. */
  constructor(
    inputs: readonly RuntimeValue[],
    { label, windows }: Pick<LanguageRun, 'label' | 'windows'>,
  ) {
    this.#label = label;
    this.#windows = windows;
    this.#inputs = inputs.map((value) => ({ value, source: sourceOf(value, inputs, label) }));
    const ids = this.#inputs.find(({ source }) => source === 'ids')?.value;
    if (ids === undefined || ids.shape.length !== 2) {
      throw new UsageError(`'${label}' has no input of tokens, [texts, tokens]`, {
        file: label,
        hint: `such an input is called ${TOKEN_INPUTS.ids.join(', ')}`,
      });
    }
    const [rows, length] = ids.shape;
    this.fixed = typeof rows === 'number' && rows > 0 ? rows : null;
    this.#length = typeof length === 'number' && length > 0 ? length : windows.length;
    if (this.#length < windows.length) {
      throw new UsageError(
        `'${label}' takes ${this.#length} tokens, and windows have ${windows.length}`,
        { file: label, hint: `cut them with --max-tokens ${this.#length}` },
      );
    }
  }

  /** @param vocabulary  of the network; null: not known yet. */
  batch(wanted: number, vocabulary: number | null): number {
    if (this.fixed !== null) return this.fixed;
    if (vocabulary === null) return 1;
    return Math.max(
      1,
      Math.min(wanted, Math.floor(LOGITS_BYTES / (4 * this.#length * vocabulary))),
    );
  }

  /** `count` windows from `first`, filled up to `rows` with padding alone. */
  read(first: number, count: number, rows: number): { inputs: Fed[]; targets: Int32Array } {
    const { ids, mask, segments, targets, length } = this.#windows;
    const pad = mask.indexOf(0) < 0 ? 0 : (ids[mask.indexOf(0)] as number);
    const spread = (of: ArrayLike<number>, fill: number): Int32Array => {
      const all = new Int32Array(rows * this.#length).fill(fill);
      for (let row = 0; row < count; row++) {
        for (let i = 0; i < length; i++) {
          all[row * this.#length + i] = of[(first + row) * length + i] as number;
        }
      }
      return all;
    };
    const numbers: Record<TokenInput, () => Int32Array> = {
      ids: () => spread(ids, pad),
      // A row that is all padding still looks at something: an attention over nothing is not finite.
      mask: () => {
        const all = spread(mask, 0);
        for (let row = count; row < rows; row++) all[row * this.#length] = 1;
        return all;
      },
      segments: () => spread(segments, 0),
      positions: () => Int32Array.from({ length: rows * this.#length }, (_, i) => i % this.#length),
    };
    const inputs = this.#inputs.map(({ value, source }): Fed => {
      const { name } = value;
      const type = value.type as FedType;
      if (source === 'branch') return { name, type, dims: [1], bytes: new Uint8Array(1) };
      if (source === 'past') {
        return { name, type, dims: emptyPast(value, rows, this.#label), bytes: new Uint8Array(0) };
      }
      const bytes = encodeTokens(numbers[source](), type);
      return { name, type, dims: [rows, this.#length], bytes };
    });
    return { inputs, targets: spread(targets, NO_TARGET) };
  }
}

function sourceOf(
  { name, type }: RuntimeValue,
  all: readonly RuntimeValue[],
  label: string,
): Source {
  const isWhole = ['int32', 'int64', 'float32'].includes(type);
  for (const source of Object.keys(TOKEN_INPUTS) as TokenInput[]) {
    if (isWhole && (TOKEN_INPUTS[source] as readonly string[]).includes(name)) return source;
  }
  if (isWhole && all.length === 1) return 'ids';
  if (name === 'use_cache_branch' && type === 'bool') return 'branch';
  if (PAST.test(name) && ['float32', 'float16'].includes(type)) return 'past';
  throw new UsageError(`nothing of a text goes into the input '${name}' of '${label}'`, {
    file: label,
    hint: `inputs of tokens are called ${Object.values(TOKEN_INPUTS).flat().join(', ')}, and what was seen before past_key_values`,
  });
}

/** Shape of a past that holds nothing: the first axis counts texts, the other open one tokens. */
function emptyPast({ name, shape }: RuntimeValue, rows: number, label: string): number[] {
  const dims = shape.map((size, axis) => {
    if (typeof size === 'number' && size > 0) return size;
    return axis === 0 ? rows : 0;
  });
  if (dims.includes(0)) return dims;
  throw new UsageError(`input '${name}' of '${label}' has no open length`, {
    file: label,
    hint: 'export the network without a past, or with one of any length',
  });
}

function encodeTokens(values: Int32Array, type: FedType): Uint8Array {
  const typed =
    type === 'int64'
      ? BigInt64Array.from(values, BigInt)
      : type === 'float32'
        ? Float32Array.from(values)
        : values;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/** The output with a score for each token: `logits`, else the first of three axes. */
export function languageOutput(
  { outputs }: Runtime,
  { output, label }: { output?: string | undefined; label: string },
): RuntimeValue {
  const found =
    output === undefined
      ? (outputs.find(({ name }) => name === 'logits') ??
        outputs.find(({ shape }) => shape.length === 3))
      : outputs.find(({ name }) => name === output);
  if (found !== undefined) return found;
  throw new UsageError(`'${label}' has no output '${output ?? 'logits'}'`, {
    file: label,
    hint: `its outputs are ${outputs.map(({ name }) => name).join(', ')}`,
  });
}

/** Runs all windows; the latency is that of its passes of the largest batch, in milliseconds. @throws {InferenceError} {UsageError} {AbortedError} */
export async function languagePasses(
  runtime: Runtime,
  run: LanguageRun,
  output: RuntimeValue,
): Promise<{ outcomes: TokenOutcomes; batch: number; latency: number }> {
  const { windows, label } = run;
  const feeder = new TokenFeeder(runtime.inputs, run);
  const outcomes = emptyTokenOutcomes(windows);
  const passes: { times: number[]; batch: number } = { times: [], batch: 1 };
  const open = output.shape.at(-1);
  let vocabulary = typeof open === 'number' && open > 0 ? open : null;
  for (let first = 0; first < windows.examples; ) {
    throwIfAborted(run.signal);
    const rows = feeder.batch(Math.min(run.batch, windows.examples - first), vocabulary);
    const count = Math.min(rows, windows.examples - first);
    const { inputs, targets } = feeder.read(first, count, rows);
    const reply = await runtime.score({ inputs, output: output.name, targets });
    const { dims, scores } = reply;
    if (scores.loss.length !== targets.length) throw notOfTokens(run, output.name, dims);
    vocabulary = dims[2] as number;
    const length = targets.length / rows;
    enterTokens(outcomes, { first, count, length, targets, scores });
    // The passes of the largest batch are those that are timed.
    if (rows > passes.batch) Object.assign(passes, { batch: rows, times: [] });
    if (rows === passes.batch) passes.times.push(reply.milliseconds);
    first += count;
    run.onExamples?.(count);
  }
  if (passes.times.length === 0) throw new InferenceError(`'${label}' was run on no windows`);
  const steady = (passes.times.length > 1 ? passes.times.slice(1) : passes.times).sort(
    (a, b) => a - b,
  );
  const latency = steady[Math.floor(steady.length / 2)] as number;
  return { outcomes, batch: passes.batch, latency };
}

function notOfTokens({ label, windows }: LanguageRun, output: string, dims: number[]): UsageError {
  const vocabulary = dims[2] ?? 0;
  const isSmall = dims.length === 3 && vocabulary <= windows.largest;
  return new UsageError(
    isSmall
      ? `'${label}' has ${vocabulary} tokens, and the texts have number ${windows.largest}`
      : `output '${output}' of '${label}' has the shape [${dims.join(', ')}], not [texts, tokens, vocabulary]`,
    {
      file: label,
      hint: isSmall ? 'take the tokenizer of the network' : 'name another output: --output',
    },
  );
}
