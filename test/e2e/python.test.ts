/**
 * The Python reader of docs/python against a real Python with NumPy: what `load` gives is what was
 * saved. Needs `python3` with NumPy; without it the test says so loudly and checks nothing else.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { TINY_CHAIN, trainChain } from '../../benchmarks/train/chain.js';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { tempDir } from '../helpers/temp-dir.js';

const CANDIDATES = [process.env.DLV_TEST_PYTHON, 'python3', 'python'].filter(
  (name) => name !== undefined,
);
const python = CANDIDATES.find((name) => spawnSync(name, ['-c', 'import numpy']).status === 0);
const DLV = `"${process.execPath}" "${path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs')}"`;

const SCRIPT = `
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
import dlv
repo = sys.argv[2]
arrays = dlv.load("HEAD", repo)
one = dlv.tensor("HEAD", "model.safetensors", "fc1.weight", repo)
assert one.shape == arrays["fc1.weight"].shape and (one == arrays["fc1.weight"]).all()
one += 1
assert all(array.flags.writeable for array in arrays.values())
old = dlv.load("HEAD~1", repo, path="model.safetensors")
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    series = dlv.load("series", repo)
said = [(str(warning.message), warning.filename) for warning in caught]
by_folder = dlv.load("series", repo, path="checkpoint-1")
try:
    dlv.load("no-such-version", repo)
    refused = False
except dlv.DlvError as error:
    refused = "no-such-version" in str(error)
digest = lambda a: hashlib.sha256(a.tobytes()).hexdigest()
print(json.dumps({
    "new": {name: [str(a.dtype), list(a.shape), digest(a)] for name, a in arrays.items()},
    "changed": sorted(name for name in arrays if digest(arrays[name]) != digest(old[name])),
    "messages": [v["message"] for v in dlv.log("HEAD", repo)],
    "refused": refused,
    "said": said,
    "last": digest(series["fc1.bias"]) == digest(arrays["fc1.bias"]),
    "first": digest(by_folder["fc1.bias"]) == digest(old["fc1.bias"]),
}))
`;

test('python: load gives the arrays of a version, by name, bit for bit', async (t) => {
  if (python === undefined) {
    t.log(
      'SKIPPED: no python3 with NumPy on this machine (set DLV_TEST_PYTHON): docs/python/dlv.py is NOT tested',
    );
    t.pass();
    return;
  }
  const dir = await tempDir(t);
  const run = (command: string, args: readonly string[], env = {}) => {
    const result = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
    if (result.status !== 0)
      t.fail(`${command} ${args.join(' ')}: ${result.stdout}${result.stderr}`);
    return result.stdout;
  };
  const dlv = (...args: string[]) =>
    run(process.execPath, [path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs'), '-C', dir, '-q', ...args]);
  dlv('init', '--model', 'digits');
  const checkpoints = await trainChain(TINY_CHAIN);
  for (const checkpoint of checkpoints) {
    await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint.weights);
    dlv('add', 'model.safetensors');
    dlv('commit', '-m', `step ${checkpoint.step}`);
  }
  const [before, after] = checkpoints.slice(-2);
  for (const [step, checkpoint] of [before, after].entries()) {
    await fs.mkdir(path.join(dir, `checkpoint-${step + 1}`));
    const file = path.join(dir, `checkpoint-${step + 1}`, 'model.safetensors');
    await fs.writeFile(file, checkpoint?.weights as Uint8Array);
  }
  dlv('tag', 'plain');
  dlv('rm', 'model.safetensors');
  dlv('add', 'checkpoint-1', 'checkpoint-2');
  dlv('commit', '-m', 'a series');
  dlv('tag', 'series');
  dlv('reset', '--soft', 'plain');
  const output = run(python, ['-c', SCRIPT, path.join(PROJECT_ROOT, 'docs/python'), dir], { DLV });
  const answer = JSON.parse(output) as {
    new: Record<string, [string, number[], string]>;
    changed: string[];
    messages: string[];
    refused: boolean;
    said: [string, string][];
    first: boolean;
    last: boolean;
  };
  t.deepEqual(Object.keys(answer.new).sort(), ['fc1.bias', 'fc1.weight', 'fc2.bias', 'fc2.weight']);
  const { createHash } = await import('node:crypto');
  const last = checkpoints.at(-1);
  for (const [i, layer] of (last?.layers ?? []).entries()) {
    const found = answer.new[`fc${i + 1}.weight`];
    const bytes = Buffer.from(
      layer.weight.buffer,
      layer.weight.byteOffset,
      layer.weight.byteLength,
    );
    t.deepEqual(found, [
      'float32',
      [layer.outputs, layer.inputs],
      createHash('sha256').update(bytes).digest('hex'),
    ]);
  }
  t.true(answer.changed.length > 0);
  t.is(answer.messages.length, checkpoints.length);
  t.true(answer.refused);
  t.true(answer.first && answer.last);
  t.deepEqual(answer.said, [
    [
      "using weights of 'checkpoint-2/model.safetensors'; there are also 'checkpoint-1/model.safetensors'",
      '<string>',
    ],
  ]);
});
