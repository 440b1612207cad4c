/**
 * Question: how long does it take to have the weights of a version in code?
 *
 *     npm run bench:load -- [--dir D] [--no-write]
 *
 * A 90 MB checkpoint, committed alone and as the sixth of a line of dense updates. Baseline: reading the
 * same file with Node and taking its sha256. Each figure is of a fresh process; loaded tensors and `cat`
 * are compared with the file within the run.
 *
 * Then `dlv.load` of Python and `safetensors.torch.load_file` of the same file, by turns in one process, the version loaded before. Both map the file
 * and read no value: that is the first pair of figures. The second reads every value as well, as whoever uses the weights
 * does. DLV_TEST_PYTHON names a Python that has torch and safetensors; without one this part is left out, and that is said.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { writeCheckpoint } from './data/checkpoint.js';
import {
  describeSetting,
  formatBytes,
  formatSeconds,
  markdownTable,
  measureDlv,
  PROJECT_ROOT,
  publish,
  runProcess,
  settingOf,
  spreadOf,
} from './harness.js';

const BYTES = 90_000_000;
const VERSIONS = 6;
const RUNS = 5;

/** Loads a version and prints the seconds of the call, the bytes of the tensors and their sha256. */
const LOAD = `
  import { createHash } from 'node:crypto';
  const { open } = await import(process.argv[1]);
  const repo = await open('.');
  const began = performance.now();
  const { tensors } = await repo.load(process.argv[2]);
  const seconds = (performance.now() - began) / 1000;
  const hash = createHash('sha256');
  for (const [, { values }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  console.log(JSON.stringify({ seconds, hash: hash.digest('hex') }));
  await repo.close();
`;

/** Writes a checkpoint with the tensors of MiniLM, commits it, loads it by turns, and prints the seconds of each call. */
const PYTHON = `
import json, time
import torch
from safetensors.torch import load_file
import dlv
torch.manual_seed(0)
shapes = {"embeddings.word": (30522, 384), "embeddings.position": (512, 384), "embeddings.type": (2, 384)}
for i in range(6):
    for part in ("query", "key", "value", "output"): shapes[f"layer.{i}.{part}"] = (384, 384)
    shapes[f"layer.{i}.up"], shapes[f"layer.{i}.down"] = (1536, 384), (384, 1536)
    shapes.update({f"layer.{i}.bias.{j}": (384,) for j in range(10)})
weights = {name: torch.randn(shape) * 0.02 for name, shape in shapes.items()}
file = "minilm.safetensors"
dlv.save(weights, file)
dlv.commit(file, path="model.safetensors", message="as MiniLM")
ways = {"dlv.load": lambda: dlv.load("HEAD", framework="torch"), "load_file": lambda: load_file(file)}
def read(tensors):
    for tensor in tensors.values(): tensor.sum()
took = {}
def measure(what, then, turns, calls):
    for turn in range(-1, turns):
        for name in list(ways) if turn % 2 else list(ways)[::-1]:
            for call in range(calls):
                began = time.perf_counter()
                tensors = ways[name]()
                then(tensors)
                if turn >= 0: took.setdefault(name + ", " + what, []).append(time.perf_counter() - began)
                del tensors
measure("mapped", lambda tensors: None, 10, 20)
measure("read", read, 5, 5)
repo = dlv.Repo(".")
took["call"] = []
for turn in range(-20, 100):
    began = time.perf_counter()
    repo.show("HEAD")
    if turn >= 0: took["call"].append(time.perf_counter() - began)
a, b = (ways[name]() for name in ways)
assert all(torch.equal(a[name], b[name]) for name in b) and len(a) == len(b)
print(json.dumps(took))
`;

interface PythonTook {
  call: number[];
  [what: string]: number[];
}

/** The same as Python sees it; null where it has no torch or no safetensors. */
async function measurePython(dir: string): Promise<PythonTook | null> {
  const python = process.env.DLV_TEST_PYTHON ?? 'python3';
  const bin = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
  const env = {
    PYTHONPATH: path.join(PROJECT_ROOT, 'lib/python'),
    DLV_COMMAND: `"${process.execPath}" "${bin}"`,
  };
  try {
    await runProcess(python, ['-c', 'import torch, safetensors.torch'], { cwd: dir });
  } catch {
    process.stderr.write(
      `SKIPPED: '${python}' has no torch or no safetensors (DLV_TEST_PYTHON names another)\n`,
    );
    return null;
  }
  const { stdout } = await runProcess(python, ['-W', 'ignore', '-c', PYTHON], {
    cwd: dir,
    env,
  });
  return JSON.parse(stdout) as PythonTook;
}

/** The lines about Python. */
function pythonText(took: PythonTook | null): string {
  if (took === null) return 'Python: not measured, since no torch and safetensors were here.';
  const table = [['', '`dlv.load`', '`safetensors.torch.load_file`', 'ratio of medians']];
  for (const what of ['mapped', 'read']) {
    const [own, other] = ['dlv.load', 'load_file'].map(
      (name) => spreadOf(took[`${name}, ${what}`] as number[]).median,
    ) as [number, number];
    const words =
      what === 'mapped'
        ? 'the call: the file is mapped, nothing read'
        : 'the call, and every value read';
    table.push([words, ...[own, other].map(milliseconds), (own / other).toFixed(2)]);
  }
  const { median, min } = spreadOf(took.call);
  return [
    'A checkpoint of 90 MB with the 99 tensors of MiniLM, in Python, by turns, each some calls one after another:',
    '',
    markdownTable(table),
    '',
    `A call of \`dlv batch\` (\`Repo.show\`): ${milliseconds(median)} in the median, ${milliseconds(min)} at least.`,
  ].join('\n');
}

const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(2)} ms`;

/** sha256 of the tensors of a safetensors file, in the order of their names. */
function tensorsHash(file: Buffer): string {
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const hash = createHash('sha256');
  for (const name of Object.keys(header).sort()) {
    const [from, to] = header[name]?.data_offsets ?? [0, 0];
    hash.update(file.subarray(8 + length + from, 8 + length + to));
  }
  return hash.digest('hex');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string', default: os.tmpdir() },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const setting = settingOf('npm run bench:load');
  const dir = await fs.mkdtemp(path.join(values.dir, 'load-'));
  const rows: { what: string; seconds: number[] }[] = [];
  let python: PythonTook | null = null;
  try {
    const file = path.join(dir, 'model.safetensors');
    await measureDlv(['init'], dir);
    for (let steps = 0; steps < VERSIONS; steps++) {
      await fs.rm(file, { force: true });
      const change = steps === 0 ? 0 : 0.002;
      await writeCheckpoint(file, { bytes: BYTES, change, steps });
      await measureDlv(['add', 'model.safetensors'], dir);
      await measureDlv(['commit', '-m', `step ${steps}`], dir);
    }
    const api = pathToFileURL(path.join(PROJECT_ROOT, 'dist/lib/index.js')).href;
    for (const [what, revision] of [
      ['a version alone', `HEAD~${VERSIONS - 1}`],
      [`the last of ${VERSIONS} dense updates`, 'HEAD'],
    ] as const) {
      const out = path.join(dir, 'out');
      await measureDlv(['checkout', revision, '--out', out], dir);
      const content = await fs.readFile(path.join(out, 'model.safetensors'));
      await fs.rm(out, { recursive: true });
      const expected = tensorsHash(content);
      const loads: number[] = [];
      const cats: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const args = ['--input-type=module', '-e', LOAD, api, revision];
        const { stdout } = await runProcess(process.execPath, args, { cwd: dir });
        const { seconds, hash } = JSON.parse(stdout) as { seconds: number; hash: string };
        if (hash !== expected) throw new Error(`${what}: other tensors were loaded`);
        loads.push(seconds);
        const target = path.join(dir, 'cat');
        const shell = `"$0" "$1" cat "$2:model.safetensors" > "$3"`;
        const bin = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
        const cat = await runProcess('sh', ['-c', shell, process.execPath, bin, revision, target], {
          cwd: dir,
        });
        cats.push(cat.seconds);
        if (!(await fs.readFile(target)).equals(content)) throw new Error(`${what}: cat differs`);
      }
      rows.push({ what: `\`repo.load\`, ${what}`, seconds: loads });
      rows.push({ what: `\`dlv cat\` into a file, ${what}`, seconds: cats });
    }
    python = await measurePython(dir);
    const reads: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const began = performance.now();
      createHash('sha256')
        .update(await fs.readFile(file))
        .digest();
      reads.push((performance.now() - began) / 1000);
    }
    rows.push({ what: 'for comparison: Node reads the file and takes its sha256', seconds: reads });
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
  const table = [['what', 'median', 'smallest', 'largest']];
  for (const { what, seconds } of rows) {
    const { median, min, max } = spreadOf(seconds);
    table.push([what, ...[median, min, max].map(formatSeconds)]);
  }
  const about = `A checkpoint of ${formatBytes(BYTES)} in float32, ${RUNS} runs of each.`;
  const text = [
    about,
    '',
    markdownTable(table),
    '',
    pythonText(python),
    '',
    describeSetting(setting),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (!values['no-write']) await publish('load', { setting, rows, python }, text);
}

await main();
