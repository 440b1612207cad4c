/**
 * Checkpoints of trainers: safetensors files with the weights under their names in the network, and what the
 * optimizer keeps under 'optimizer/'. The metadata say after which step.
 */
import { CorruptError } from '../../base/errors.js';
import { ReadFile, writeFileAtomic } from '../../base/files/files.js';
import { safetensorsReader } from '../../pure/formats/safetensors/safetensors.js';

/** Numbers of a checkpoint by name. */
export type Numbers = ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>;

/** A checkpoint that was read. */
export interface Checkpoint {
  iteration: number;
  numbers: Numbers;
}

/** In front of the names of what is kept for the next step. */
export const OPTIMIZER_PREFIX = 'optimizer/';

/** Writes a checkpoint, on the disk when it is there. */
export async function writeCheckpoint(
  file: string,
  iteration: number,
  numbers: Numbers,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { iteration: String(iteration) } };
  let at = 0;
  const names = [...numbers.keys()].sort();
  for (const name of names) {
    const { shape, values } = numbers.get(name) as { shape: number[]; values: Float32Array };
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, ' ');
  text.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const parts = names.map((name) => {
    const { values } = numbers.get(name) as { values: Float32Array };
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  });
  await writeFileAtomic(file, Buffer.concat([length, padded, ...parts]));
}

/** Reads a checkpoint; tensors that are not float32 are left out. @throws {CorruptError} {IoError} */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const file = await ReadFile.open(path);
  try {
    const { tensors } = await safetensorsReader.layout(file);
    const numbers = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    for (const { name, dtype, shape, offset } of tensors) {
      if (dtype !== 'F32') continue;
      const count = shape.reduce((product, size) => product * size, 1);
      const bytes = Uint8Array.from(await file.read(offset, 4 * count));
      numbers.set(name, { shape, values: new Float32Array(bytes.buffer) });
    }
    return { iteration: await iterationOf(file), numbers };
  } finally {
    await file.close();
  }
}

async function iterationOf(file: ReadFile): Promise<number> {
  const length = Number(Buffer.from(await file.read(0, 8)).readBigUInt64LE());
  const header = JSON.parse(Buffer.from(await file.read(8, length)).toString()) as {
    __metadata__?: { iteration?: string };
  };
  const iteration = Number(header.__metadata__?.iteration ?? Number.NaN);
  if (Number.isSafeInteger(iteration) && iteration >= 0) return iteration;
  throw new CorruptError(`'${file.name}' does not say after which step it was saved`, {
    file: file.name,
  });
}
