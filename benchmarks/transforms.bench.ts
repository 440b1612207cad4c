/**
 * Question: what do exact prefixes cost? The same differences as BSUB (every plane by itself), as SUB16
 * with BSUB below, as SUB16 twice and as SUB32, on the files of a folder, beside what the kernel
 * chooses.
 *
 *     npm run build && node dist/benchmarks/transforms.bench.js <dir>
 *
 * Pairs of files of fp32 that names or codec/expectations.ts suggest. The reference encoder writes each
 * extent by each transform, with and without a mask where elements rest, and the smaller counts. Prints
 * tables in Markdown: bits for each element of all planes, and of the classes that hold two and three.
 */
import { loadKernel } from '../lib/base/native/kernel.js';
import { encodeReferenceAs } from '../test/oracles/kernel/encode.js';
import { expectedPairs } from './codec/expectations.js';
import { findModels, guessPairs, type Pair, pairName, segmentsOf } from './codec/models.js';

const TRANSFORMS = { BSUB: 1, SUB16: 2, 'SUB16 twice': 3, SUB32: 4 } as const;
const COLUMNS = [...Object.keys(TRANSFORMS), 'chosen'];
/** A mask of fewer elements is not worth its bytes. */
const REST_MIN = 8;
const LEVEL = 1;

type Planes = readonly Uint8Array[];
interface Coded {
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
}

/** Bytes that are read for two, three and four planes. */
function prefixBytes({ head, hi, mid, low }: Coded): number[] {
  const two = head.length + hi.length;
  return [two, two + mid.length, two + mid.length + low.length];
}

function smallestOf(transform: number, child: Planes, base: Planes): Coded {
  const plain = encodeReferenceAs({ transform, masked: false }, child, base, LEVEL);
  const n = (child[0] as Uint8Array).length;
  let resting = 0;
  for (let i = 0; i < n; i++) {
    if (child.every((plane, k) => plane[i] === (base[k] as Uint8Array)[i])) resting++;
  }
  if (resting < REST_MIN) return plain;
  const masked = encodeReferenceAs({ transform, masked: true }, child, base, LEVEL);
  return (prefixBytes(masked)[2] as number) < (prefixBytes(plain)[2] as number) ? masked : plain;
}

/** Bits for each element by column, of two, three and four planes. */
async function measurePair(pair: Pair): Promise<Map<string, number[]> | null> {
  const totals = new Map(COLUMNS.map((column) => [column, [0, 0, 0]]));
  let elements = 0;
  const add = (column: string, coded: Coded): void => {
    const total = totals.get(column) as number[];
    for (const [k, bytes] of prefixBytes(coded).entries()) total[k] = (total[k] ?? 0) + 8 * bytes;
  };
  for await (const { child, base } of segmentsOf(pair, (extent) => extent.width === 4)) {
    // What is equal takes nothing whatever the transform is.
    if (base === null || Buffer.compare(child.bytes, base.bytes) === 0) continue;
    elements += child.count;
    for (const [column, transform] of Object.entries(TRANSFORMS)) {
      add(column, smallestOf(transform, child.planes, base.planes));
    }
    const { kernel } = loadKernel();
    add('chosen', await kernel.encode(child.planes, base.planes, LEVEL, false));
  }
  if (elements === 0) return null;
  for (const bits of totals.values())
    for (const [k, sum] of bits.entries()) bits[k] = sum / elements;
  return totals;
}

async function main(folder: string | undefined): Promise<void> {
  if (folder === undefined) throw new Error('give a folder of model files');
  const models = await findModels(folder);
  const pairs = new Map<string, Pair>();
  for (const pair of [...expectedPairs(models), ...guessPairs(models)]) {
    if (pair.base !== null) pairs.set(pairName(pair), pair);
  }
  const rows: [string, Map<string, number[]>][] = [];
  for (const [name, pair] of pairs) {
    const row = await measurePair(pair);
    if (row) rows.push([name, row]);
    process.stderr.write(`${name}\n`);
  }
  for (const [k, title] of ['two planes', 'three planes', 'all planes'].entries()) {
    const line = (cells: string[]): string => `| ${cells.join(' | ')} |\n`;
    process.stdout.write(
      `\n${line([title, ...COLUMNS])}${line(['', ...COLUMNS].map(() => '---'))}`,
    );
    for (const [name, row] of rows) {
      const bits = COLUMNS.map((column) => row.get(column)?.[k]?.toFixed(3) ?? '');
      process.stdout.write(line([name, ...bits]));
    }
  }
}

await main(process.argv[2]);
