/**
 * The files of the week where there is no Python: networks that are trained here on the shipped
 * digits, in the layouts of the Trainer of transformers, of Lightning and of PEFT, and their exports.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { type ChainOptions, type Checkpoint, trainChain } from '../train/chain.js';
import { encodeSafetensors } from '../train/safetensors.js';

/** What a trainer keeps in the folder of a checkpoint beside the weights. */
const CONFIG = { architectures: ['DigitEncoder'], hidden_sizes: [512, 512], num_labels: 10 };

interface Row {
  step: number;
  eval_loss: number;
  eval_accuracy: number;
}

/** A run of the Trainer: checkpoints come one by one, and the oldest goes when there are too many. */
export class Run {
  readonly #dir: string;
  readonly #kept: number;
  readonly #history: Row[] = [];
  readonly #there: number[] = [];

  constructor(dir: string, kept: number) {
    this.#dir = dir;
    this.#kept = kept;
  }

  /** Trains, and tells of each checkpoint once its folder is complete. */
  async train(
    options: ChainOptions,
    onSaved: (checkpoint: Checkpoint) => Promise<void>,
  ): Promise<Checkpoint> {
    const made = await trainChain(options);
    for (const checkpoint of made) {
      await this.#save(checkpoint);
      await onSaved(checkpoint);
    }
    return made.at(-1) as Checkpoint;
  }

  async #save({ step, loss, accuracy, weights, optimizer }: Checkpoint): Promise<void> {
    this.#history.push({ step, eval_loss: loss, eval_accuracy: accuracy });
    const state = { global_step: step, log_history: this.#history };
    const folder = path.join(this.#dir, `checkpoint-${step}`);
    await fs.mkdir(folder, { recursive: true });
    const files: Record<string, string | Uint8Array> = {
      'model.safetensors': weights,
      'optimizer.safetensors': optimizer,
      'config.json': JSON.stringify(CONFIG),
      'trainer_state.json': JSON.stringify(state, null, 2),
      'scheduler.json': JSON.stringify({ last_epoch: step }),
    };
    for (const [name, content] of Object.entries(files)) {
      await fs.writeFile(path.join(folder, name), content);
    }
    this.#there.push(step);
    while (this.#there.length > this.#kept) {
      const oldest = path.join(this.#dir, `checkpoint-${this.#there.shift()}`);
      await fs.rm(oldest, { recursive: true });
    }
  }
}

interface Tensor {
  name: string;
  shape: number[];
  values: Float32Array;
}

function tensorsOf({ layers }: Checkpoint): Tensor[] {
  return layers.flatMap(({ weight, bias, inputs, outputs }, i) => [
    { name: `fc${i + 1}.weight`, shape: [outputs, inputs], values: weight },
    { name: `fc${i + 1}.bias`, shape: [outputs], values: bias },
  ]);
}

/** Rank of the adapters. */
const RANK = 4;

/** Low-rank adapters of a network, and the network with them merged in, as PEFT writes both. */
export function adapt(base: Checkpoint, seed: number): { adapter: Uint8Array; merged: Uint8Array } {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const adapters: Tensor[] = [];
  const merged = tensorsOf(base).map((tensor): Tensor => {
    const [rows = 0, columns] = tensor.shape;
    if (columns === undefined) return tensor;
    const a = Float32Array.from({ length: RANK * columns }, () => 0.02 * random());
    const b = Float32Array.from({ length: rows * RANK }, () => 0.02 * random());
    const name = `base_model.model.${tensor.name.replace(/\.weight$/, '')}`;
    adapters.push({ name: `${name}.lora_A.weight`, shape: [RANK, columns], values: a });
    adapters.push({ name: `${name}.lora_B.weight`, shape: [rows, RANK], values: b });
    const values = tensor.values.map((value, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      let sum = value;
      for (let k = 0; k < RANK; k++) {
        sum += (b[row * RANK + k] as number) * (a[k * columns + column] as number);
      }
      return sum;
    });
    return { ...tensor, values };
  });
  const metadata = { format: 'pt' };
  return {
    adapter: encodeSafetensors(adapters, metadata),
    merged: encodeSafetensors(merged, metadata),
  };
}

/** The network in fewer bits: fp16 and bf16 to the nearest, int8 with a scale for each tensor. */
export function exportAs(base: Checkpoint, dtype: 'F16' | 'BF16' | 'I8'): Uint8Array {
  const parts = tensorsOf(base).map(({ name, shape, values }) => ({
    name,
    shape,
    bytes: convert(values, dtype),
  }));
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const { name, shape, bytes } of parts) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts.map(({ bytes }) => bytes)]);
}

function convert(values: Float32Array, dtype: 'F16' | 'BF16' | 'I8'): Uint8Array {
  if (dtype === 'I8') {
    const most = values.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-12);
    const bytes = Int8Array.from(values, (value) => Math.round((127 * value) / most));
    return new Uint8Array(bytes.buffer);
  }
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const short = Uint16Array.from(bits, dtype === 'BF16' ? toBf16 : toHalf);
  return new Uint8Array(short.buffer);
}

/** Bits of fp32 to bf16, to the nearest, ties to even. */
function toBf16(bits: number): number {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Bits of fp32 to fp16, to the nearest, ties to even; weights of a network are below 65,504. */
function toHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00;
  const shift = exponent <= 0 ? 14 - exponent : 13;
  if (shift > 24) return sign;
  const whole = exponent <= 0 ? fraction | 0x800000 : fraction | (exponent << 23);
  const rest = whole % 2 ** shift;
  const down = Math.floor(whole / 2 ** shift);
  const half = 2 ** (shift - 1);
  return sign | (down + (rest > half || (rest === half && down % 2 === 1) ? 1 : 0));
}
