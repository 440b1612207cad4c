/** Files of the week: exports are the nearest values, and a merge is what its adapters say. */
import test from 'ava';
import { trainChain } from '../../../benchmarks/train/chain.js';
import { adapt, exportAs } from '../../../benchmarks/week/files.js';
import { halfToNumber } from '../../../lib/pure/tensor/dtype.js';
import { typedValues } from '../../../lib/pure/tensor/typed-values.js';
import { layoutOf } from '../../helpers/layouts.js';

/** Every finite value of fp16, ascending, with its bits. */
const HALVES = Array.from({ length: 0x7c00 }, (_, bits) => halfToNumber(bits));

function nearestHalf(value: number): number {
  const size = Math.abs(value);
  let low = 0;
  let high = HALVES.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((HALVES[middle] as number) <= size) low = middle;
    else high = middle;
  }
  const [down, up] = [size - (HALVES[low] as number), (HALVES[high] as number) - size];
  const bits = down < up || (down === up && low % 2 === 0) ? low : high;
  return Math.sign(value) * (HALVES[bits] as number);
}

test('week: fp16 and bf16 exports are to the nearest, and a merge is base + B A', async (t) => {
  const [base] = await trainChain({ hidden: [32], seed: 1, steps: 20, checkpoints: [20] });
  const values = async (bytes: Uint8Array) => {
    const layout = await layoutOf(bytes, 'x.safetensors');
    return new Map(
      layout.tensors.map(({ name, dtype, shape, offset }) => {
        const count = shape.reduce((product, extent) => product * extent, 1);
        const width = dtype === 'F32' ? 4 : dtype === 'I8' ? 1 : 2;
        return [name, typedValues(dtype, bytes.slice(offset, offset + width * count))];
      }),
    );
  };
  const exact = await values(base!.weights);
  const half = await values(exportAs(base!, 'F16'));
  const brain = await values(exportAs(base!, 'BF16'));
  for (const [name, array] of exact) {
    const numbers = [...array].map(Number);
    t.deepEqual([...half.get(name)!].map(Number), numbers.map(nearestHalf), name);
    t.true(
      numbers.every((value, i) => {
        const error = Math.abs(Number(brain.get(name)![i]) - value);
        return error <= Math.abs(value) * 2 ** -8;
      }),
      name,
    );
  }
  const { adapter, merged } = adapt(base!, 3);
  const parts = await values(adapter);
  const [a, b] = ['A', 'B'].map((x) => parts.get(`base_model.model.fc2.lora_${x}.weight`)!);
  const [old, made] = [exact.get('fc2.weight')!, (await values(merged)).get('fc2.weight')!];
  for (let row = 0; row < 10; row++) {
    for (let column = 0; column < 32; column++) {
      let sum = Number(old[row * 32 + column]);
      for (let k = 0; k < 4; k++) sum += Number(b![row * 4 + k]) * Number(a![k * 32 + column]);
      t.is(made[row * 32 + column], Math.fround(sum));
    }
  }
});
