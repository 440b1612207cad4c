/**
 * Files that slice and construct write, by the checker of ONNX itself, with its own shape inference. Needs `python3` with
 * the package onnx; without it the test says so loudly and checks nothing else.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { editedFile, newFile } from '../helpers/edit-network.js';
import { fixture } from '../helpers/paths.js';
import { tempDir } from '../helpers/temp-dir.js';

const CANDIDATES = [process.env.DLV_TEST_PYTHON, 'python3', 'python'].filter(
  (name) => name !== undefined,
);
const python = CANDIDATES.find((name) => spawnSync(name, ['-c', 'import onnx']).status === 0);
const CHECK = `
import sys, onnx
for file in sys.argv[1:]:
    onnx.checker.check_model(file, full_check=True)
    print(file)
`;

/** Layers of several operators, of each kind that `vgg` below has not. */
const SEQUENCES = [
  `INPUT(12, 6) -> LSTM(units = 8, bidirectional = true) -> GRU(units = 5, bias = false) -> RNN("RNN", units = 4, last = true)
   -> FULL(units = 3)`,
  'INPUT(12) -> EMBED(size = 50, units = 16) -> ATTN(heads = 4) -> LAYERNORM -> RMSNORM -> FULL(units = 4)',
  `INPUT(8, 6, 6) -> GROUPNORM(groups = 4) -> DECONV(units = 4, kernel = 2, stride = 2) -> INSTANCENORM -> GLOBALMAXPOOL
   -> FULL(units = 2) -> LOGSOFTMAX`,
  `INPUT(8, 6, 6) -> CONV("a", units = 8, pad = 1) -> SCALE -> OTHER("PAD", pad = 1) -> LPPOOL -> OTHER("RESIZE", scale = 2)
   -> OTHER("SPACETODEPTH") -> NORM("LP", axis = 1) -> MVN -> CLIP(max = 2) -> SHRINK -> SWISH(alpha = 1.7) -> OTHER("ABS")
   -> RESHAPE(shape = [16, -1]) -> TRANSPOSE(order = [0, 2, 1]) -> UNSQUEEZE(axis = 1) -> SQUEEZE(axis = 1)
   -> CAST(to = "F64") -> CAST(to = "F32") -> OTHER("REDUCEMAX", axis = 1) -> EXPAND(shape = [16]) -> FULL("b", units = 16)
   -> SUB(from = "b") -> DIV(from = "b") -> FULL(units = 2)`,
  'INPUT(4, 3) -> RESHAPE(shape = [12]) -> CAST(to = "F16")',
];

test('the checker of ONNX accepts what slice and construct write', async (t) => {
  if (python === undefined) {
    t.log('SKIPPED: no python3 with onnx (set DLV_TEST_PYTHON): new files are NOT checked by it');
    t.pass();
    return;
  }
  const dir = await tempDir(t);
  const vgg = await newFile(
    `construct m as INPUT(3, 16, 16) -> (CONV(units = 4, kernel = 3, pad = "same") -> BN -> RELU6){2} -> POOL("MAX")
     -> LRN -> FULL(units = 8) -> DROPOUT -> FULL(units = 3) -> SOFTMAX`,
  );
  const edit = (text: string) => editedFile(vgg, text);
  const files = [
    vgg,
    await edit(
      'construct a from m mutate m["conv1"].insert = PRELU -> ADD(from = "conv1"), m["*.dropout"].delete',
    ),
    await edit(
      'construct a from m mutate m["conv1"].replace = CONV(units = 6, kernel = 5, pad = 2), m["conv2"].replace = CONV',
    ),
    await edit('slice a from m mutate a.input = m["conv2"] and a.output = m["fc1"]'),
  ];
  for (const chain of SEQUENCES) files.push(await newFile(`construct m as ${chain}`));
  for (const name of ['fashion-cnn', 'ppocr-cls', 'vad']) {
    const file = await fs.readFile(fixture('networks', `${name}.onnx`));
    const layer = name === 'vad' ? 'if1' : 'conv1';
    files.push(
      await editedFile(file, `construct a from m mutate m["${layer}"].insert = IDENTITY`).catch(
        () => file,
      ),
    );
  }
  const names = files.map((_, i) => path.join(dir, `${i}.onnx`));
  for (const [i, name] of names.entries()) await fs.writeFile(name, files[i] as Buffer);
  // External data of the fixtures is not there; the checker asks for its file alone.
  await fs.writeFile(path.join(dir, 'weights'), '');
  const { status, stdout, stderr } = spawnSync(python, ['-c', CHECK, ...names], {
    encoding: 'utf8',
  });
  t.is(stderr, '');
  t.is(status, 0);
  t.is(stdout.trim().split('\n').length, files.length);
});
