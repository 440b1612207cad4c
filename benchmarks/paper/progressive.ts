/**
 * Fig 6(d) of the paper on networks of ours: answers from leading byte planes alone.
 *
 * Two rates are kept apart that the paper does not tell apart: answers that differ from those of the
 * whole weights (unread bytes filled with the middle of what is possible), and answers that the bounds
 * of every weight prove. Interval bounds of the layers in float64; the rounding of the float32 forward
 * pass is not counted. Proof by scores: the least score of one class is above the greatest of all
 * others (the paper's Lemma 4); by margins: the difference of the two last rows is bounded at once.
 */
import { encodeRans } from '../../lib/pure/codec/planes-rans.js';
import { splitPlanes } from '../../lib/pure/tensor/planes.js';
import { segmentOf } from '../codec/models.js';
import { markdownTable } from '../harness.js';
import { type DataSet, loadDigits, PIXELS } from '../train/digits.js';
import type { Layer } from '../train/mlp.js';
import type { PaperData } from './checkpoints.js';
import { bytesOf, planeBytes } from './floats.js';
import { prefixBounds } from './prefix-bounds.js';

/** Images of the test set that are answered at most. */
const IMAGES_MAX = 200;

/** One network read to one depth. */
export interface ProgressiveRow {
  network: string;
  planes: number;
  images: number;
  /** Shares of the images. */
  mismatch: number;
  byScores: number;
  byMargins: number;
  /** Bytes read of all compressed bytes: zlib by plane, and dlv. null: dlv reads no such depth. */
  zlibShare: number;
  dlvShare: number | null;
}

/** A layer of which every weight lies between two numbers. */
interface IntervalLayer {
  inputs: number;
  outputs: number;
  low: Float64Array;
  high: Float64Array;
  lowBias: Float64Array;
  highBias: Float64Array;
}

export async function measureProgressive(
  networks: PaperData['networks'],
): Promise<ProgressiveRow[]> {
  const { test } = await loadDigits();
  const images = Math.min(IMAGES_MAX, test.count);
  const rows: ProgressiveRow[] = [];
  for (const { name, checkpoint } of networks) {
    const { layers } = checkpoint;
    const shares = await readShares(layers);
    const truth = answers(layers, test, images);
    for (const planes of [1, 2, 3]) {
      const known = layers.map((layer) => intervalLayer(layer, planes));
      const guesses = answers(known.map(middle), test, images);
      let byScores = 0;
      let byMargins = 0;
      for (let image = 0; image < images; image++) {
        const proven = prove(known, imageOf(test, image), truth[image] as number);
        if (proven.byScores) byScores++;
        if (proven.byMargins) byMargins++;
      }
      const wrong = guesses.filter((guess, image) => guess !== truth[image]).length;
      rows.push({
        network: name,
        planes,
        images,
        mismatch: wrong / images,
        byScores: byScores / images,
        byMargins: byMargins / images,
        zlibShare: shares.zlib(planes),
        dlvShare: planes === 1 ? null : shares.dlv(planes),
      });
    }
  }
  return rows;
}

/** Shares of the compressed weights that leading planes are. */
async function readShares(layers: readonly Layer[]) {
  const zlib = [0, 0, 0, 0];
  const dlv = [0, 0, 0];
  for (const { weight } of layers) {
    for (const [k, bytes] of planeBytes(weight).entries()) (zlib[k] as number) += bytes;
    const { planes } = segmentOf(bytesOf(weight).slice(), 4);
    const { head, hi, mid, low } = await encodeRans(planes, null);
    for (const [k, bytes] of [head.length + hi.length, mid.length, low.length].entries()) {
      (dlv[k] as number) += bytes;
    }
  }
  const share = (parts: readonly number[], count: number): number => {
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    return sum(parts.slice(0, count)) / sum(parts);
  };
  return {
    zlib: (planes: number) => share(zlib, planes),
    dlv: (planes: number) => share(dlv, planes - 1),
  };
}

function intervalLayer({ inputs, outputs, weight, bias }: Layer, planes: number): IntervalLayer {
  const bounds = (values: Float32Array) => {
    const known = splitPlanes(bytesOf(values), 4).slice(0, planes);
    const found = prefixBounds('F32', known);
    if (found === null) throw new Error('fp32 has bounds');
    return found;
  };
  const { lower: low, upper: high } = bounds(weight);
  const { lower: lowBias, upper: highBias } = bounds(bias);
  return { inputs, outputs, low, high, lowBias, highBias };
}

/** Weights in the middle of their bounds. */
function middle({ inputs, outputs, low, high, lowBias, highBias }: IntervalLayer): Layer {
  const mean = (a: Float64Array, b: Float64Array): Float32Array =>
    Float32Array.from(a, (value, i) => (value + (b[i] as number)) / 2);
  return { inputs, outputs, weight: mean(low, high), bias: mean(lowBias, highBias) };
}

function imageOf({ images }: DataSet, image: number): Float32Array {
  return images.subarray(image * PIXELS, (image + 1) * PIXELS);
}

/** The class of the greatest score for each image. */
function answers(layers: readonly Layer[], data: DataSet, images: number): number[] {
  return Array.from({ length: images }, (_, image) => {
    let values = Float64Array.from(imageOf(data, image));
    for (const [l, { inputs, outputs, weight, bias }] of layers.entries()) {
      const next = new Float64Array(outputs);
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o] as number;
        for (let i = 0; i < inputs; i++) {
          sum += (weight[o * inputs + i] as number) * (values[i] as number);
        }
        next[o] = l < layers.length - 1 ? Math.max(0, sum) : sum;
      }
      values = next;
    }
    return values.reduce((best, value, c) => (value > (values[best] as number) ? c : best), 0);
  });
}

/** Whether `answer` is certain for an image, whatever the bytes not read are. */
export function prove(
  layers: readonly IntervalLayer[],
  image: Float32Array,
  answer: number,
): { byScores: boolean; byMargins: boolean } {
  // Inputs are not negative: images are in 0…1, and every layer but the last ends in ReLU.
  let low = Float64Array.from(image);
  let high = low;
  for (const layer of layers.slice(0, -1)) {
    const next = forward(layer, low, high);
    low = next.low.map((value) => Math.max(0, value));
    high = next.high.map((value) => Math.max(0, value));
  }
  const last = layers.at(-1) as IntervalLayer;
  const scores = forward(last, low, high);
  const others = [...scores.low.keys()].filter((c) => c !== answer);
  const least = scores.low[answer] as number;
  const byScores = others.every((c) => least > (scores.high[c] as number));
  const byMargins = others.every((c) => marginBelow(last, { low, high }, answer, c) > 0);
  return { byScores, byMargins };
}

/** Bounds of the outputs of a layer; its inputs are not negative. */
function forward(layer: IntervalLayer, low: Float64Array, high: Float64Array) {
  const { inputs, outputs } = layer;
  const below = new Float64Array(outputs);
  const above = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let least = layer.lowBias[o] as number;
    let most = layer.highBias[o] as number;
    for (let i = 0; i < inputs; i++) {
      const from = layer.low[o * inputs + i] as number;
      const to = layer.high[o * inputs + i] as number;
      least += from * ((from >= 0 ? low[i] : high[i]) as number);
      most += to * ((to >= 0 ? high[i] : low[i]) as number);
    }
    below[o] = least;
    above[o] = most;
  }
  return { low: below, high: above };
}

/** The least that score `a` can be above score `b`. */
function marginBelow(
  { inputs, low: from, high: to, lowBias, highBias }: IntervalLayer,
  { low, high }: { low: Float64Array; high: Float64Array },
  a: number,
  b: number,
): number {
  let margin = (lowBias[a] as number) - (highBias[b] as number);
  for (let i = 0; i < inputs; i++) {
    const weight = (from[a * inputs + i] as number) - (to[b * inputs + i] as number);
    margin += weight * ((weight >= 0 ? low[i] : high[i]) as number);
  }
  return margin;
}

/** The paper's figure: share of the compressed size that is read, and its error rate, both in %. */
const PAPER = [
  ['LeNet, top 1', 1, 6.63, 12.3],
  ['LeNet, top 1', 2, 40.23, 0],
  ['AlexNet, top 5', 1, 6.21, 4.3],
  ['AlexNet, top 5', 2, 39.06, 0.45],
  ['VGG-16, top 5', 1, 6.15, 5.83],
  ['VGG-16, top 5', 2, 38.35, 0.43],
] as const;

/** What `npm run bench:progressive` wrote of a network. */
export interface CascadeRow {
  name: string;
  data: { examples: number };
  stages: {
    planes: [least: number, most: number];
    share: number;
    final: { intervals?: number };
    settled: number;
    mismatch: number | null;
  }[];
}

/** Rows of networks of another benchmark: at their first depth, and where depths are the same for all parameters. */
function cascadeRows(networks: readonly CascadeRow[], percent: (share: number) => string) {
  return networks.flatMap(({ name, data, stages }) =>
    stages.flatMap(({ planes: [least, most], share, final, settled, mismatch }, i) => {
      if ((least !== most && i > 0) || mismatch === null) return [];
      // Intervals of later depths were computed for what was open alone.
      const intervals = i === 0 ? percent((final.intervals ?? 0) / data.examples) : '–';
      const parts = [percent(share), percent(mismatch), '–', intervals, percent(settled)];
      const depth = least === most ? String(least) : `${least}–${most}`;
      return [[`${name} (${data.examples} images)`, depth, '–', ...parts]];
    }),
  );
}

/** Beside the paper's figure: the networks of this benchmark, and those of `bench:progressive`. */
export function figure6d(
  rows: readonly ProgressiveRow[],
  networks: readonly CascadeRow[] = [],
): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const head = [
    'network',
    'planes',
    'read, zlib',
    'read, dlv',
    'other answers',
    'proven by scores',
    'proven by margins',
    'proven by dlv',
  ];
  const paper = PAPER.map(([name, planes, read, error]) => [
    `${name} (the paper)`,
    String(planes),
    `${read} %`,
    '–',
    `${error} %`,
    '–',
    '–',
    '–',
  ]);
  const own = rows.map((row) => [
    row.network,
    String(row.planes),
    percent(row.zlibShare),
    row.dlvShare === null ? '–' : percent(row.dlvShare),
    percent(row.mismatch),
    percent(row.byScores),
    percent(row.byMargins),
    '–',
  ]);
  return markdownTable([head, ...paper, ...own, ...cascadeRows(networks, percent)]);
}
