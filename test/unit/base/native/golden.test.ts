/**
 * Goal: what was written once is read for ever, by every kernel and by a reader in another language.
 * Method: the golden segments of test/fixtures/codec (UPDATE_GOLDEN=1 makes those of codec 3 again; those of
 * codec 2 stay what earlier encoders wrote) decoded at every stop; that they take every path is checked too.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { segmentBasePlanes } from '../../../../lib/pure/codec/segment.js';
import { type GoldenSegment, makeGoldenSegments } from '../../../helpers/golden-segments.js';
import { decodeOrNull, KERNEL_KINDS, stopsOf } from '../../../helpers/kernels.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';
import { type Head, readHead } from '../../../oracles/kernel/head.js';

const FOLDER = path.join(PROJECT_ROOT, 'test/fixtures/codec');
const CODECS = [2, 3] as const;
const bytesOf = (hex: string): Uint8Array => Buffer.from(hex, 'hex');

if (process.env.UPDATE_GOLDEN === '1') {
  mkdirSync(path.join(FOLDER, '3'), { recursive: true });
  for (const [name, segments] of Object.entries(makeGoldenSegments())) {
    const lines = segments
      .filter(({ head }) => bytesOf(head)[0] === 3)
      .map((segment) => JSON.stringify(segment));
    if (lines.length === 0) continue;
    writeFileSync(path.join(FOLDER, '3', `${name}.json`), `[\n${lines.join(',\n')}\n]\n`);
  }
}

const FILES = CODECS.flatMap((codec) =>
  readdirSync(path.join(FOLDER, `${codec}`))
    .filter((name) => name.endsWith('.json'))
    .map((name) => `${codec}/${name}`),
);
const segmentsOf = (file: string): GoldenSegment[] =>
  JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')) as GoldenSegment[];

for (const file of FILES) {
  test(`golden: codec ${file}`, async (t) => {
    for (const golden of segmentsOf(file)) {
      const { name, width, count } = golden;
      const [head, hi, mid, low] = [golden.head, golden.hi, golden.mid, golden.low].map(
        bytesOf,
      ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      t.is(`${head[0]}`, file.slice(0, 1), name);
      t.deepEqual(stopsOf(head, width), golden.stops, name);
      for (const stop of golden.stops) {
        const needed = segmentBasePlanes(head, stop, name);
        const base = golden.base?.map(bytesOf) ?? null;
        for (const kind of KERNEL_KINDS) {
          const decode = async (planes: number): Promise<string[] | undefined> => {
            const given = base?.slice(0, planes) ?? null;
            const segment = { head, hi, mid, low };
            const found = await decodeOrNull(kind, segment, given, {
              count,
              width,
              wanted: stop,
            });
            return found?.map((plane) => Buffer.from(plane).toString('hex'));
          };
          const expected = golden.planes.slice(0, stop);
          t.deepEqual(await decode(stop), expected, `${name}, ${stop} planes by ${kind}`);
          t.deepEqual(await decode(needed), expected, `${name}, ${needed} of its base by ${kind}`);
          if (base === null || needed < 2) continue;
          t.is(await decode(needed - 1), undefined, `${name}, too little of its base by ${kind}`);
        }
      }
    }
  });
}

/** What a head takes, as words. */
function pathsOf(head: Head, width: number, count: number): string[] {
  const codings = [...head.planes];
  if (head.mask) codings.push(head.mask.bits);
  if (head.palette) codings.push(head.palette.indices);
  const own = head.differences < width ? [`own, transform ${head.transform}, width ${width}`] : [];
  const found = [
    ...own,
    `transform ${head.transform}`,
    `transform ${head.transform}, width ${width}`,
  ];
  if (head.mask) found.push(`mask, transform ${head.transform}`, `mask ${head.mask.bits.mode}`);
  for (const coding of codings) {
    found.push(coding.mode);
    if (coding.mode !== 'rans') continue;
    found.push(`kind ${coding.kind}`, `kind ${coding.kind}, width ${width}`);
    found.push(count >= 32_768 ? '64 lanes' : '8 lanes');
  }
  return found;
}

test('golden: the segments take every path', (t) => {
  const found = new Set<string>();
  for (const { head, width, count, level } of FILES.flatMap(segmentsOf)) {
    found.add(`level ${level}`);
    for (const name of pathsOf(readHead(bytesOf(head), count, width), width, count)) {
      found.add(name);
    }
  }
  const expected = [
    ...[0, 1, 2].map((level) => `level ${level}`),
    ...['constant', 'stored', 'rans', '8 lanes', '64 lanes', 'mask rans'],
    ...[0, 1, 5].flatMap((t) => [1, 2, 4, 8].map((width) => `transform ${t}, width ${width}`)),
    ...[2, 6].flatMap((t) => [2, 4, 8].map((width) => `transform ${t}, width ${width}`)),
    ...[3, 4].map((t) => `transform ${t}, width 4`),
    ...[1, 2].flatMap((t) => [4, 8].map((width) => `own, transform ${t}, width ${width}`)),
    ...[0, 1, 2, 3, 4].map((t) => `mask, transform ${t}`),
    ...[1, 2, 4, 8].map((width) => `kind 1, width ${width}`),
    ...[2, 4, 8].map((width) => `kind 2, width ${width}`),
    ...[2, 4].map((width) => `kind 3, width ${width}`),
  ];
  t.deepEqual(
    expected.filter((name) => !found.has(name)),
    [],
  );
});

const PYTHON = [process.env.DLV_TEST_PYTHON, 'python3', 'python'].find(
  (name) => name !== undefined && spawnSync(name, ['-c', '']).status === 0,
);

test('golden: the reader in Python, written from the documents alone, decodes all', (t) => {
  if (PYTHON === undefined) {
    t.log('SKIPPED: no python3 on this machine: docs/python/codec.py is NOT tested');
    t.pass();
    return;
  }
  const script = path.join(PROJECT_ROOT, 'docs/python/codec.py');
  const { status, stdout, stderr } = spawnSync(PYTHON, [script, FOLDER], { encoding: 'utf8' });
  t.is(status, 0, stdout + stderr);
  const total = FILES.flatMap(segmentsOf).length;
  t.is(stdout, `${total} decoded, 0 failed\n`);
});
