/**
 * Makes safetensors checkpoints of any size, streaming and seeded: a transformer's tensors, or one
 * tensor, with Gaussian values as layers are initialised and trained, and a fine-tuned child of it.
 *
 * A value is scale · (a + b) / √2 with a and b from two tables of normal numbers whose lengths have
 * no common factor, so that nothing repeats within any file; the scale of a tensor is 1/√fan-in
 * times a seeded factor. A child adds a third normal number times `change` times the scale: what a
 * fine-tune at a small rate does. Norms are 1 plus a little noise.
 */
import { WriteFile } from '../../lib/base/files/files.js';

/** What to make. */
export interface CheckpointOptions {
  /** Bytes of tensors, to a row. */
  bytes: number;
  dtype?: 'F32' | 'F64';
  /** Many tensors as in a transformer, or one. */
  shape?: 'transformer' | 'single';
  seed?: number;
  /** Size of the update relative to a tensor's spread; 0 makes the parent. */
  change?: number;
  /**
   * Updates, one after another: each has numbers of its own, of size `change`. With n the file is the
   * n-th of a chain that begins with `change` 0. Default 1.
   */
  steps?: number;
}

interface TensorPlan {
  name: string;
  shape: number[];
  count: number;
  scale: number;
  mean: number;
}

const TABLE_A = 1_048_583;
const TABLE_B = 1_048_609;
const TABLE_C = 1_048_613;
/** Places of the table between the updates of two steps. */
const STEP_APART = 10_007;
const PIECE_ELEMENTS = 1 << 20;

/** A seeded stream of uniform numbers in [0, 1). */
function uniform(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normalTable(length: number, seed: number): Float64Array {
  const random = uniform(seed);
  const table = new Float64Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    table[i] = radius * Math.cos(angle);
    if (i + 1 < length) table[i + 1] = radius * Math.sin(angle);
  }
  return table;
}

function planTensors(options: CheckpointOptions, elements: number): TensorPlan[] {
  const random = uniform((options.seed ?? 1) ^ 0x5bd1e995);
  const plans: TensorPlan[] = [];
  const add = (name: string, shape: number[], mean = 0): void => {
    const count = shape.reduce((a, b) => a * b, 1);
    const fanIn = shape.at(-1) as number;
    const spread = shape.length === 1 ? 0.02 : (0.5 + random()) / Math.sqrt(fanIn);
    plans.push({ name, shape, count, scale: spread, mean });
  };
  if (options.shape === 'single') {
    add('weight', [Math.ceil(elements / 1024), 1024]);
    return plans;
  }
  const width = elements >= 200e6 ? 2048 : elements >= 20e6 ? 1024 : 256;
  const inner = (width * 11) / 4;
  const inLayer = 4 * width * width + 2 * width + 3 * inner * width;
  let left = elements - 8 * width * width;
  add('model.embed_tokens.weight', [width * 8, width]);
  for (let layer = 0; left >= inLayer; layer++) {
    const at = `model.layers.${layer}`;
    add(`${at}.input_layernorm.weight`, [width], 1);
    for (const name of ['q', 'k', 'v', 'o'])
      add(`${at}.self_attn.${name}_proj.weight`, [width, width]);
    add(`${at}.post_attention_layernorm.weight`, [width], 1);
    add(`${at}.mlp.gate_proj.weight`, [inner, width]);
    add(`${at}.mlp.up_proj.weight`, [inner, width]);
    add(`${at}.mlp.down_proj.weight`, [width, inner]);
    left -= inLayer;
  }
  if (left >= width) add('lm_head.weight', [Math.floor(left / width), width]);
  return plans;
}

function headerOf(plans: readonly TensorPlan[], dtype: string, itemBytes: number): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const plan of plans) {
    const end = at + plan.count * itemBytes;
    header[plan.name] = { dtype, shape: plan.shape, data_offsets: [at, end] };
    at = end;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, ' '));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded]);
}

/** Writes a checkpoint to a new file; the same options give the same bytes. */
export async function writeCheckpoint(file: string, options: CheckpointOptions): Promise<void> {
  const itemBytes = options.dtype === 'F64' ? 8 : 4;
  const plans = planTensors(options, Math.ceil(options.bytes / itemBytes));
  const seed = options.seed ?? 1;
  const a = normalTable(TABLE_A, seed);
  const b = normalTable(TABLE_B, seed + 1);
  const c = normalTable(TABLE_C, seed + 2);
  const change = options.change ?? 0;
  const steps = change === 0 ? 0 : (options.steps ?? 1);
  const values =
    itemBytes === 8 ? new Float64Array(PIECE_ELEMENTS) : new Float32Array(PIECE_ELEMENTS);
  const target = await WriteFile.create(file);
  let [ia, ib, ic] = [0, 0, 0];
  await target.write(headerOf(plans, options.dtype ?? 'F32', itemBytes));
  for (const { count, scale, mean } of plans) {
    for (let first = 0; first < count; first += PIECE_ELEMENTS) {
      const n = Math.min(PIECE_ELEMENTS, count - first);
      for (let i = 0; i < n; i++) {
        const value = ((a[ia] as number) + (b[ib] as number)) * Math.SQRT1_2;
        let update = 0;
        for (let step = 0; step < steps; step++) {
          update += c[(ic + step * STEP_APART) % TABLE_C] as number;
        }
        values[i] = mean + scale * (value + change * update);
        if (++ia === TABLE_A) ia = 0;
        if (++ib === TABLE_B) ib = 0;
        if (++ic === TABLE_C) ic = 0;
      }
      await target.write(new Uint8Array(values.buffer, 0, n * itemBytes));
    }
  }
  await target.close();
}

/** Writes `bytes` of noise, which no format explains and no coder shortens. */
export async function writeNoise(file: string, bytes: number, seed = 1): Promise<void> {
  const random = uniform(seed);
  const words = new Uint32Array(1 << 20);
  const target = await WriteFile.create(file);
  for (let at = 0; at < bytes; at += words.byteLength) {
    for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
    await target.write(new Uint8Array(words.buffer, 0, Math.min(words.byteLength, bytes - at)));
  }
  await target.close();
}
