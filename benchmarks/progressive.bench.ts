/**
 * Question: from how many bytes of the weights do answers follow, with proof? Each network is committed to a new
 * repository and answers images by `dlv eval --progressive --check`; the table says what was certain at each depth.
 *
 * Usage: npm run bench:progressive -- --images <file> --labels <file> [--limit 1000] [--attack 0] <name>=<network.onnx>[@mean,std] …
 *   Pixels are scaled by 1/255. <name>=<result.json> takes a document that `dlv eval --progressive --check --json` printed.
 *   --attack looks for weights inside of what was read that give another answer, for so many images of each network.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { init, type ProgressiveResult } from '../lib/index.js';
import { formatBytes, markdownTable, publish } from './harness.js';
import { AttackedNetwork } from './networks/weight-attack.js';
import { PIXELS, readIdx } from './networks/wide.js';

/** Bytes a second of the store that times are worked out for. */
const STORE_RATE = 50e6;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string' },
    labels: { type: 'string' },
    limit: { type: 'string', default: '1000' },
    attack: { type: 'string', default: '0' },
  },
});

/** What attacks found at one depth. */
interface Attacked {
  planes: readonly [number, number];
  share: number;
  images: number;
  settled: number;
  flipped: number;
  /** Settled and yet flipped: a mistake in a proof. */
  broken: number;
}

interface Row {
  name: string;
  result: ProgressiveResult;
  attacks: Attacked[];
}

/** Attacks the answers of the first images at each depth, until none is flipped. */
async function attacked(
  file: string,
  { stages, answers }: ProgressiveResult,
  norm: { mean: number; std: number },
): Promise<Attacked[]> {
  const count = Math.min(Number(values.attack), answers.length);
  const found: Attacked[] = [];
  if (count === 0) return found;
  const network = await AttackedNetwork.read(file);
  const pixels = await readIdx(path.resolve(values.images ?? ''), 16);
  const images = Array.from({ length: count }, (_, i) => {
    const part = pixels.subarray(i * PIXELS, (i + 1) * PIXELS);
    return Float64Array.from(part, (one) => Math.fround((one / 255 - norm.mean) / norm.std));
  });
  let left = images.map((_, i) => i);
  for (const [k, { planes, share, depths }] of stages.entries()) {
    if (left.length === 0 || share === 1) break;
    const isSettled = (i: number): boolean => (answers[i]?.stage ?? k) <= k;
    const flipped = left.filter((i) => {
      const data = images[i] as Float64Array;
      return network.flips({ shape: [1, 1, 28, 28], data }, answers[i]?.answer[0] ?? 0, depths);
    });
    found.push({
      planes,
      share,
      images: count,
      settled: images.filter((_, i) => isSettled(i)).length,
      flipped: flipped.length,
      broken: flipped.filter(isSettled).length,
    });
    left = flipped;
  }
  return found;
}

async function measure(name: string, text: string): Promise<Row> {
  if (text.endsWith('.json')) {
    return {
      name,
      result: JSON.parse(await fs.readFile(text, 'utf8')) as ProgressiveResult,
      attacks: [],
    };
  }
  const [file = '', numbers] = text.split('@');
  const [mean, std] = numbers?.split(',').map(Number) ?? [];
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-bench-'));
  try {
    await fs.copyFile(file, path.join(dir, 'network.onnx'));
    await using repo = await init(dir);
    await repo.add('network.onnx');
    await repo.commit({ message: name });
    const result = await repo.evaluateProgressively('HEAD', {
      data: path.resolve(values.images ?? ''),
      labels: path.resolve(values.labels ?? ''),
      limit: Number(values.limit),
      preprocess: {
        scale: 1 / 255,
        ...(mean === undefined ? {} : { mean: [mean] }),
        ...(std === undefined ? {} : { std: [std] }),
      },
      check: true,
    });
    const attacks = await attacked(file, result, { mean: mean ?? 0, std: std ?? 1 });
    return { name, result, attacks };
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Share that is settled by depths of at most so many bytes of all. */
function settledBy({ stages }: ProgressiveResult, share: number): number {
  const reached = stages.filter((stage) => stage.share <= share && !stage.final.full);
  return Math.max(0, ...reached.map(({ settled }) => settled));
}

const rows: Row[] = [];
for (const text of positionals) {
  const [name = '', from = ''] = text.split(/=(.*)/s);
  rows.push(await measure(name, from));
  console.error(`${name} done`);
}
const table = markdownTable([
  [
    'network',
    'images',
    'intervals alone, first depth',
    'certified, ≤ 50 % of bytes',
    'certified from a part',
    'from all weights',
    'mismatch, first depth',
    'mean bytes a query',
    'of all',
    'differ',
    'bounds, ms an image',
  ],
  ...rows.map(({ name, result }) => {
    const { stages, answers, bytes, methods, differing } = result;
    const count = answers.length;
    const [first] = stages;
    const ms = stages.reduce((sum, { milliseconds: { intervals, rows: each, refined, plan } }) => {
      return sum + (intervals ?? 0) + (each ?? 0) + (refined ?? 0) + (plan ?? 0);
    }, 0);
    return [
      name,
      String(count),
      percent((first?.final.intervals ?? 0) / count),
      percent(settledBy(result, 0.5)),
      percent(1 - (methods.full ?? 0) / count),
      percent((methods.full ?? 0) / count),
      percent(first?.mismatch ?? 0),
      formatBytes(bytes.mean),
      percent(bytes.mean / bytes.all),
      String(differing),
      (ms / count).toFixed(0),
    ];
  }),
]);
const depths = markdownTable([
  [
    'network',
    'planes',
    'bytes of all',
    'settled',
    'mismatch',
    'final here',
    `read at ${STORE_RATE / 1e6} MB/s`,
  ],
  ...rows.flatMap(({ name, result }) =>
    result.stages.map(({ planes: [least, most], share, settled, mismatch, final, bytes }) => [
      name,
      least === most ? String(least) : `${least}–${most}`,
      percent(share),
      percent(settled),
      mismatch === null ? '–' : percent(mismatch),
      Object.entries(final)
        .map(([method, count]) => `${count} ${method}`)
        .join(', ') || '–',
      `${((1000 * bytes) / STORE_RATE).toFixed(0)} ms`,
    ]),
  ),
]);
const fights = markdownTable([
  [
    'network',
    'planes',
    'bytes of all',
    'images',
    'settled',
    'flipped by an attack',
    'neither',
    'both',
  ],
  ...rows.flatMap(({ name, attacks }) =>
    attacks.map(({ planes: [least, most], share, images, settled, flipped, broken }) => [
      name,
      least === most ? String(least) : `${least}–${most}`,
      percent(share),
      String(images),
      percent(settled / images),
      percent(flipped / images),
      percent(1 - (settled + flipped - broken) / images),
      String(broken),
    ]),
  ),
]);
const hasFights = rows.some(({ attacks }) => attacks.length > 0);
const text = [
  table,
  'Depths in the order in which they were read:',
  depths,
  ...(hasFights
    ? [
        'Answers that are flipped by a choice of the weights inside of what was read cannot be settled there by any proof:',
        fights,
      ]
    : []),
].join('\n\n');
console.log(text);
const kept = rows.map(({ name, attacks, result: { answers: _, data, ...rest } }) => ({
  ...rest,
  name,
  attacks,
  data: { ...data, path: path.basename(data.path), labels: path.basename(data.labels) },
}));
await publish('progressive', kept, text);
