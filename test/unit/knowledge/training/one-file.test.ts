/** Networks with weights beside them, as one file: the same numbers, nothing outside, and data that are too short. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openModelFile, readWeights } from '../../../../lib/knowledge/training/model-file.js';
import { copyAsOneFile } from '../../../../lib/knowledge/training/one-file.js';
import { bytes, externalData, onnxModel, tensorProto } from '../../../helpers/protobuf.js';
import { tempDir } from '../../../helpers/temp-dir.js';

test('weights beside a network are taken into its file', async (t) => {
  const dir = await tempDir(t);
  const numbers = (from: number): Float32Array =>
    Float32Array.from({ length: 6 }, (_, i) => from + i);
  const raw = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer);
  const beside = (name: string, more: Record<string, string>): Buffer =>
    bytes(
      5,
      tensorProto({
        name,
        dims: [2, 3],
        raw: null,
        more: externalData({ location: 'data/w.bin', ...more }),
      }),
    );
  const model = onnxModel(
    bytes(11, bytes(1, 'x')),
    bytes(1, bytes(1, 'x'), bytes(1, 'a'), bytes(2, 'y'), bytes(3, 'first'), bytes(4, 'MatMul')),
    beside('a', { offset: '0', length: '24' }),
    bytes(5, tensorProto({ name: 'b', dims: [2, 3], raw: raw(numbers(100)) })),
    // Without a length: as many bytes as its shape needs.
    beside('c', { offset: '24' }),
  );
  const [from, target] = [path.join(dir, 'model.onnx'), path.join(dir, 'one.onnx')];
  await fs.writeFile(from, model);
  await fs.mkdir(path.join(dir, 'data'));
  const data = path.join(dir, 'data/w.bin');
  await fs.writeFile(data, Buffer.concat([raw(numbers(0)), raw(numbers(50))]));
  await copyAsOneFile(from, target, 'model.onnx');
  await fs.rm(path.join(dir, 'data'), { recursive: true });
  const opened = await openModelFile(target);
  const weights = await readWeights(opened, ['a', 'b', 'c']);
  t.deepEqual([...weights.values()], [numbers(0), numbers(100), numbers(50)]);
  t.deepEqual(
    opened.network.graph.nodes.map(({ op }) => op),
    ['MatMul'],
  );

  await fs.mkdir(path.join(dir, 'data'));
  await fs.writeFile(data, raw(numbers(0)));
  const short = copyAsOneFile(from, path.join(dir, 'two.onnx'), 'model.onnx');
  await t.throwsAsync(short, { code: 'DLV_TRUNCATED', message: /24 bytes, and weights end at 48/ });
  // One that has all in itself is copied as it is.
  await copyAsOneFile(target, path.join(dir, 'three.onnx'), 'one.onnx');
  t.deepEqual(await fs.readFile(path.join(dir, 'three.onnx')), await fs.readFile(target));
});
