/**
 * Question: how small and how fast is the codec, on the files of a folder, beside zstd, lz4, byte
 * shuffle + zstd, XOR + Huffman codes per plane, and gzip?
 *
 *     npm run bench:codec -- <dir> [--pair base=child]… [--only ratios,speeds,special,roundings]
 *         [--rounds N] [--clock wall|cpu] [--made BYTES] [--json FILE] [--write]
 *
 * Every model file is measured alone and against the file it was probably made from: the checkpoint
 * before it in its folder, the file of its name in the folder before, or what --pair says. Sizes are
 * exact. Speeds are those of one thread, every codec in turn in every round. --write puts the results
 * into benchmarks/results/codec.json and codec.md.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Clock } from './codec/clock.js';
import { expectationOf, expectedPairs, findByTail, ROUNDED_PAIRS } from './codec/expectations.js';
import {
  findModels,
  guessPairs,
  type ModelFile,
  type Pair,
  pairName,
  type SegmentPair,
  segmentsOf,
} from './codec/models.js';
import { zstdVersion } from './codec/peers.js';
import { judgeRatio, measureRatio, type Target } from './codec/ratios.js';
import { type CodecResults, judgeResults, reportOf } from './codec/report.js';
import { measureRounding, ROUNDINGS } from './codec/roundings.js';
import {
  makeUnchanged,
  measureIdentical,
  measureThreads,
  measureUnchangedPlanes,
  measureWasm,
} from './codec/special.js';
import { measureSegment, measureSpeeds, SPEED_ELEMENTS_MIN } from './codec/speeds.js';
import { publish, settingOf } from './harness.js';

const PARTS = ['ratios', 'speeds', 'special', 'roundings'] as const;
const MADE_BYTES = 256 * 2 ** 20;
/** Pairs whose long extents are timed at most: more of a kind say nothing new. */
const SPEED_PAIRS_MAX = 8;

interface Options {
  folder: string;
  pairs: string[];
  parts: string[];
  rounds: number;
  clock: Clock;
  madeBytes: number;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function readOptions(): { options: Options; json: string | undefined; write: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      pair: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', default: PARTS.join(',') },
      rounds: { type: 'string', default: '9' },
      clock: { type: 'string', default: 'wall' },
      made: { type: 'string', default: String(MADE_BYTES) },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const parts = values.only.split(',');
  const unknown = parts.find((part) => !PARTS.some((known) => known === part));
  const rounds = Number(values.rounds);
  if (positionals.length !== 1) throw new Error('give one folder: npm run bench:codec -- <dir>');
  if (unknown !== undefined) throw new Error(`--only takes ${PARTS.join(', ')}, not '${unknown}'`);
  if (!(rounds >= 1)) throw new Error(`--rounds takes a number, not '${values.rounds}'`);
  if (values.clock !== 'wall' && values.clock !== 'cpu') throw new Error('--clock wall or cpu');
  const options: Options = {
    folder: path.resolve(positionals[0] as string),
    pairs: values.pair,
    parts,
    rounds,
    clock: values.clock,
    madeBytes: Number(values.made),
  };
  return { options, json: values.json, write: values.write };
}

/** Files alone, then the pairs: listed ones, named ones, guessed ones. */
function choosePairs(models: readonly ModelFile[], named: readonly string[]): Pair[] {
  const given = named.map((pair): Pair => {
    const [from, to] = pair.split('=').map((tail) => findByTail(models, tail));
    if (!from || !to) throw new Error(`--pair ${pair}: no such model files below the folder`);
    return { base: from, child: to };
  });
  const alone = models.map((child): Pair => ({ child, base: null }));
  const pairs = [...alone, ...expectedPairs(models), ...given, ...guessPairs(models)];
  return [...new Map(pairs.map((pair) => [pairName(pair), pair])).values()];
}

/** The pair whose delta is timed on two threads and in WebAssembly. */
async function longestDelta(pairs: readonly Pair[]): Promise<SegmentPair | null> {
  for (const pair of pairs.filter((p) => p.base !== null)) {
    for await (const segment of segmentsOf(pair, (e) => e.count >= SPEED_ELEMENTS_MIN)) {
      if (segment.base !== null) return segment;
    }
  }
  return null;
}

async function measureSpecial(pairs: readonly Pair[], options: Options, scratch: string) {
  const { rounds, clock, madeBytes } = options;
  const made = makeUnchanged();
  const delta = (await longestDelta(pairs)) ?? made;
  say('two threads');
  const threads = await measureThreads(delta.child, delta.base, rounds);
  const aloneThreads = await measureThreads(delta.child, null, rounds);
  say('WebAssembly');
  const wasm = await measureWasm(delta.child, delta.base, { rounds, clock });
  const aloneWasm = await measureWasm(delta.child, null, { rounds, clock });
  say('planes that hardly change');
  const unchanged = await measureSegment('1 of 2,000 elements changed, made', made, {
    rounds,
    clock,
  });
  const unchangedPlanes = await measureUnchangedPlanes(made, { rounds, clock });
  say('a version of identical extents');
  const identical = await measureIdentical(scratch, madeBytes, Math.min(rounds, 5));
  return { threads, aloneThreads, wasm, aloneWasm, unchanged, unchangedPlanes, identical };
}

async function measure(options: Options, scratch: string): Promise<CodecResults> {
  const { folder, parts, rounds, clock } = options;
  const models = await findModels(folder);
  if (models.length === 0) throw new Error(`no model files below ${folder}`);
  const pairs = choosePairs(models, options.pairs);
  const shown = path.basename(folder);
  const only = parts.length < PARTS.length ? ` --only ${parts.join(',')}` : '';
  const results: CodecResults = {
    setting: settingOf(
      `npm run bench:codec -- <${shown}>${only} --rounds ${rounds} --clock ${clock}`,
    ),
    zstd: zstdVersion(),
    clock,
    targets: [],
    ratios: [],
    speeds: [],
    special: null,
    roundings: [],
  };
  if (results.zstd === null) say('NO ZSTD: libzstd.so.1 is not installed, its columns stay empty');
  const targets: Target[] = [];
  if (parts.includes('ratios')) {
    for (const [i, pair] of pairs.entries()) {
      say(`ratio ${i + 1} of ${pairs.length}: ${pairName(pair)}`);
      const row = await measureRatio(pair, scratch);
      results.ratios.push(row);
      targets.push(...judgeRatio(pair, row));
    }
  }
  if (parts.includes('roundings')) {
    for (const [from, to] of ROUNDED_PAIRS) {
      const [base, child] = [findByTail(models, from), findByTail(models, to)];
      if (!base || !child) continue;
      for (const rounding of ROUNDINGS) {
        say(`${rounding}: ${to}`);
        results.roundings.push(await measureRounding(base, child, rounding));
      }
    }
  }
  const isKnown = (pair: Pair): boolean => expectationOf(pair) !== undefined;
  const ordered = [...pairs.filter(isKnown), ...pairs.filter((pair) => !isKnown(pair))];
  if (parts.includes('speeds')) {
    for (const pair of ordered) {
      if (results.speeds.length >= SPEED_PAIRS_MAX) break;
      if (!pair.child.extents.some((e) => e.count >= SPEED_ELEMENTS_MIN)) continue;
      say(`speed: ${pairName(pair)}`);
      results.speeds.push(...(await measureSpeeds(pair, { rounds, clock })));
    }
  }
  if (parts.includes('special')) results.special = await measureSpecial(ordered, options, scratch);
  results.targets = [...targets, ...judgeResults(results)];
  return results;
}

async function main(): Promise<void> {
  const { options, json, write } = readOptions();
  const scratch = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-codec-'));
  try {
    const results = await measure(options, scratch);
    const text = reportOf(results);
    process.stdout.write(`${text}\n`);
    if (json !== undefined) await fs.writeFile(json, `${JSON.stringify(results, null, 2)}\n`);
    if (write) await publish('codec', results, text);
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
}

/** Libuv reads the size of its pool at its first use: two threads take a process of their own. */
function startAgain(): void {
  const env = { ...process.env, UV_THREADPOOL_SIZE: '2' };
  const { status } = spawnSync(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

if (process.env.UV_THREADPOOL_SIZE === '2') await main();
else startAgain();
