/** The headers that `dlv cat` writes, read back by dlv's own readers: nothing is lost on the way. */
import test from 'ava';
import { npyHeader, safetensorsHeader } from '../../../../lib/pure/formats/tensor-headers.js';
import {
  DTYPES,
  type DType,
  dtypeBytes,
  SAFETENSORS_DTYPES,
} from '../../../../lib/pure/tensor/dtype.js';
import { layoutOf } from '../../../helpers/layouts.js';

const ALL = Object.keys(DTYPES) as DType[];

/** A tensor of 16 elements: whole bytes for every dtype. */
function tensorOf(name: string, dtype: DType, shape = [2, 8]) {
  const elements = shape.reduce((product, size) => product * size, 1);
  return { name, dtype, shape, bytes: dtypeBytes(dtype, elements) };
}

async function readBack(tensors: ReturnType<typeof tensorOf>[]) {
  const data = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const file = Buffer.concat([safetensorsHeader(tensors), Buffer.alloc(data)]);
  const length = Number(file.readBigUInt64LE(0));
  return {
    layout: await layoutOf(file),
    header: JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
      string,
      Record<string, string>
    >,
  };
}

test('cat to safetensors: every dtype of the format keeps its name and shape', async (t) => {
  t.is(SAFETENSORS_DTYPES.size, 22);
  const known = ALL.filter((dtype) => SAFETENSORS_DTYPES.has(dtype));
  const { layout, header } = await readBack(known.map((dtype) => tensorOf(`w.${dtype}`, dtype)));
  t.is(layout.format, 'safetensors');
  const read = new Map(layout.tensors.map(({ name, dtype, shape }) => [name, { dtype, shape }]));
  for (const dtype of known) t.deepEqual(read.get(`w.${dtype}`), { dtype, shape: [2, 8] });
  t.is(header.__metadata__, undefined);
});

test('cat to safetensors: other dtypes are bytes, and the header says of what', async (t) => {
  const other = ALL.filter((dtype) => !SAFETENSORS_DTYPES.has(dtype));
  t.deepEqual(other.sort(), ['BYTES', 'C128', 'I2', 'I4', 'U2', 'U4']);
  const tensors = other.map((dtype) => tensorOf(dtype, dtype));
  const { layout, header } = await readBack(tensors);
  for (const { name, dtype, bytes } of tensors) {
    t.like(
      layout.tensors.find((found) => found.name === name),
      { dtype: 'U8', shape: [bytes] },
    );
    t.deepEqual(JSON.parse(header.__metadata__?.[`dlv:${name}`] ?? ''), { dtype, shape: [2, 8] });
  }
});

test('cat to safetensors: packed elements that end inside a byte are written as bytes', async (t) => {
  const { layout, header } = await readBack([
    tensorOf('half', 'F4', [3]),
    tensorOf('whole', 'F6_E2M3', [4]),
    tensorOf('rest', 'F6_E3M2', [5]),
  ]);
  t.deepEqual(
    layout.tensors.map(({ name, dtype, shape }) => [name, dtype, shape]),
    [
      ['half', 'U8', [2]],
      ['whole', 'F6_E2M3', [4]],
      ['rest', 'U8', [4]],
    ],
  );
  t.deepEqual(Object.keys(header.__metadata__ ?? {}), ['dlv:half', 'dlv:rest']);
});

test('cat to safetensors: a tensor under the name of the metadata is still a tensor', async (t) => {
  const { layout } = await readBack([tensorOf('__metadata__', 'F32')]);
  t.deepEqual(
    layout.tensors.map(({ name }) => name),
    ['tensor:__metadata__'],
  );
});

test('cat to npy: the header is one that NumPy and dlv read', async (t) => {
  for (const dtype of ALL) {
    const tensor = tensorOf('w', dtype);
    if (DTYPES[dtype].bits < 8 || dtype === 'BYTES') {
      t.throws(() => npyHeader(tensor), { code: 'DLV_USAGE' }, dtype);
      continue;
    }
    const file = Buffer.concat([npyHeader(tensor), Buffer.alloc(tensor.bytes)]);
    const layout = await layoutOf(file);
    t.is(layout.format, 'npy', dtype);
    t.deepEqual(layout.warnings, []);
    t.is(layout.extents[0]?.count, tensor.bytes / (layout.extents[0]?.width ?? 0), dtype);
  }
});
