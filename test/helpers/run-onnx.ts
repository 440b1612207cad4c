/** Runs ONNX files by onnxruntime, in this process, for tests of networks that dlv has made. */
import type { ExecutionContext } from 'ava';
import { hasRuntime } from './linear-network.js';
import { seededRandom } from './rng.js';

export type Arrays = Record<string, { shape: readonly number[]; data: Float32Array }>;

/** Says so loudly and gives true if networks cannot be run here. */
export function cannotRun(t: ExecutionContext): boolean {
  if (hasRuntime()) return false;
  t.log('SKIPPED: onnxruntime-node is not installed; new networks are NOT run');
  return true;
}

/** What a network gives for inputs. Fails as onnxruntime does for a file that is no model. */
export async function runOnnx(file: Uint8Array, inputs: Arrays): Promise<Arrays> {
  // Else it writes logs of its own beside the tests.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      new ort.Tensor('float32', data, [...shape]),
    ]),
  );
  const given = await session.run(feeds);
  const outputs = Object.entries(given).map(([name, { dims, data }]) => {
    return [name, { shape: [...dims], data: data as Float32Array }] as const;
  });
  await session.release();
  return Object.fromEntries(outputs);
}

/** Numbers from −1 to 1 in a shape. */
export function randomInput(shape: number[], seed = 1): Arrays[string] {
  const rng = seededRandom(seed);
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) data[i] = 2 * rng() - 1;
  return { shape, data };
}

/** The one array of several. */
export function only(arrays: Arrays): Arrays[string] {
  const [first] = Object.values(arrays);
  if (first === undefined) throw new Error('there is no output');
  return first;
}

/** Largest difference of two arrays of one shape. */
export function distance(a: Arrays[string], b: Arrays[string]): number {
  if (String(a.shape) !== String(b.shape)) throw new Error(`[${a.shape}] and [${b.shape}] differ`);
  return a.data.reduce((most, x, i) => Math.max(most, Math.abs(x - (b.data[i] as number))), 0);
}
