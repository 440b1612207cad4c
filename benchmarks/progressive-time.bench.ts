/**
 * Question: where the store gives 50 MB/s, how long until an answer is certain, beside reading all weights first? And with
 * `--goal time`, where proofs give way to reading?
 *
 * Usage: npm run bench:progressive-time -- --images <file> --labels <file> [--count 9] [--wide 16384,65536]
 *     [<name>=<network.onnx>[@mean,std] …] [--write]
 *   A remote is served by a web server of this process at that rate. Each query is one image, alone, in a fresh clone
 *   that holds no weights: `dlv eval --progressive` fetches the planes that it needs, `dlv eval` everything. Times
 *   include the start of the process that runs the network. --wide adds networks that are made here, of so
 *   many random features each (16384: 52 MB). Pixels are scaled by 1/255.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { clone, init, open } from '../lib/index.js';
import { describeSetting, formatBytes, markdownTable, publish, settingOf } from './harness.js';
import { PIXELS, readIdx, wideNetwork } from './networks/wide.js';
import { serveSlowly } from './remotes/slow-server.js';

const STORE_RATE = 50e6;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string', default: '' },
    labels: { type: 'string', default: '' },
    count: { type: 'string', default: '9' },
    wide: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});

/** An NPY file of bytes. */
function npy(shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const head = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const padded = `${head.padEnd(64 * Math.ceil((head.length + 11) / 64) - 11)}\n`;
  const size = Uint8Array.of(padded.length & 255, padded.length >> 8);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    size,
    Buffer.from(padded),
    bytes,
  ]);
}

interface Query {
  /** Milliseconds: until the answer is proven, the same with `--goal time`, and by all weights. */
  certain: number;
  soon: number;
  whole: number;
  method: string;
  bytes: number;
  pulled: number;
}

interface Row {
  name: string;
  size: number;
  queries: Query[];
}

/** Folders of one image and its label each. */
async function writeQueries(top: string, count: number) {
  const pixels = await readIdx(values.images, 16);
  const classes = await readIdx(values.labels, 8);
  const queries: { data: string; labels: string }[] = [];
  for (let i = 0; i < count; i++) {
    const [data, labels] = [path.join(top, `image-${i}.npy`), path.join(top, `label-${i}.npy`)];
    await fs.writeFile(data, npy([1, 28, 28], pixels.subarray(i * PIXELS, (i + 1) * PIXELS)));
    await fs.writeFile(labels, npy([1], classes.subarray(i, i + 1)));
    queries.push({ data, labels });
  }
  return queries;
}

async function measure(
  { name, bytes, norm }: { name: string; bytes: Uint8Array; norm: readonly number[] },
  top: string,
  queries: readonly { data: string; labels: string }[],
): Promise<Row> {
  const dir = path.join(top, name);
  const remote = path.join(top, `${name}.dlv`);
  await fs.mkdir(dir);
  await fs.writeFile(path.join(dir, 'network.onnx'), bytes);
  {
    await using repo = await init(dir);
    await repo.add('network.onnx');
    await repo.commit({ message: name });
    await repo.addRemote('origin', remote);
    await repo.push({ remote: 'origin', setUpstream: true });
  }
  const server = await serveSlowly(remote, STORE_RATE);
  const empty = path.join(top, `${name}-empty`);
  try {
    {
      await using _ = await clone(server.url, empty, { only: ['no-such-file'] });
    }
    const [mean, std] = norm;
    const preprocess = {
      scale: 1 / 255,
      ...(mean === undefined ? {} : { mean: [mean] }),
      ...(std === undefined ? {} : { std: [std] }),
    };
    const fresh = async <T>(ask: (dir: string) => Promise<T>) => {
      const copy = path.join(top, `${name}-query`);
      await fs.cp(empty, copy, { recursive: true });
      const before = server.bytes;
      const started = performance.now();
      const found = await ask(copy);
      const milliseconds = performance.now() - started;
      await fs.rm(copy, { recursive: true });
      return { found, milliseconds, pulled: server.bytes - before };
    };
    const rows: Query[] = [];
    for (const query of queries) {
      const certain = await fresh(async (at) => {
        await using repo = await open(at);
        return await repo.evaluateProgressively('HEAD', { ...query, preprocess });
      });
      const soon = await fresh(async (at) => {
        await using repo = await open(at);
        return await repo.evaluateProgressively('HEAD', { ...query, preprocess, goal: 'time' });
      });
      const whole = await fresh(async (at) => {
        await using repo = await open(at);
        return await repo.evaluate(['HEAD'], { ...query, preprocess, record: false });
      });
      rows.push({
        certain: certain.milliseconds,
        soon: soon.milliseconds,
        whole: whole.milliseconds,
        method: certain.found.answers[0]?.method ?? '',
        bytes: certain.found.bytes.mean / certain.found.bytes.all,
        pulled: certain.pulled / whole.pulled,
      });
    }
    return { name, size: bytes.length, queries: rows };
  } finally {
    server.close();
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const top = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-bench-'));
try {
  const setting = settingOf('npm run bench:progressive-time');
  const queries = await writeQueries(top, Number(values.count));
  const rows: Row[] = [];
  for (const text of positionals) {
    const [name = '', from = ''] = text.split(/=(.*)/s);
    const [file = '', numbers] = from.split('@');
    const norm = numbers?.split(',').map(Number) ?? [];
    rows.push(await measure({ name, bytes: await fs.readFile(file), norm }, top, queries));
    console.error(`${name} done`);
  }
  for (const features of values.wide?.split(',') ?? []) {
    const bytes = await wideNetwork(Number(features), values.images, values.labels);
    rows.push(await measure({ name: `wide-${features}`, bytes, norm: [] }, top, queries));
    console.error(`wide-${features} done`);
  }
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const table = markdownTable([
    [
      ...[
        'network',
        'size',
        'queries',
        'how',
        'bytes',
        'pulled',
        'certain',
        'all weights',
        'ratio',
      ],
      ...['goal time', 'ratio'],
    ],
    ...rows.map(({ name, size, queries: all }) => {
      const of = (pick: (one: Query) => number) => median(all.map(pick));
      const hows = new Map<string, number>();
      for (const { method } of all) hows.set(method, (hows.get(method) ?? 0) + 1);
      return [
        name,
        formatBytes(size),
        String(all.length),
        [...hows].map(([how, count]) => `${count} ${how}`).join(', '),
        percent(of((one) => one.bytes)),
        percent(of((one) => one.pulled)),
        `${of((one) => one.certain).toFixed(0)} ms`,
        `${of((one) => one.whole).toFixed(0)} ms`,
        of((one) => one.certain / one.whole).toFixed(2),
        `${of((one) => one.soon).toFixed(0)} ms`,
        of((one) => one.soon / one.whole).toFixed(2),
      ];
    }),
  ]);
  const text = `${table}\n\n${describeSetting(setting)}`;
  console.log(text);
  if (values.write) await publish('progressive-time', { setting, rows }, text);
} finally {
  await fs.rm(top, { recursive: true, force: true });
}
