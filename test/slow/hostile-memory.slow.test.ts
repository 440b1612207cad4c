/** Memory of readers: the tests that take long. */
import test from 'ava';
import { hostileFiles } from '../helpers/hostile-files.js';
import { checkMemory } from '../helpers/hostile-memory.js';

/** One for each way of making memory of little; the others are in the slow tests. */
const EVERY_DAY = [
  'safetensors: tiny tensors',
  'npz: tiny arrays',
  'pickle: marks',
  'pickle: one storage seen by many names',
  'onnx: empty attributes',
  'onnx: graphs nested 99 deep, many times',
];

for (const [what, make] of Object.entries(hostileFiles())) {
  if (!EVERY_DAY.includes(what)) continue;
  test(`memory: bounded for ${what}`, (t) => checkMemory(t, make()));
}
