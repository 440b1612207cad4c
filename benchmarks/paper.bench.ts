/**
 * Question: what becomes of the tables of ModelHub (Miao et al., ICDE 2017) on checkpoints of ours,
 * and which of its claims hold?
 *
 *     npm run bench:paper -- [dir] [--only table-iv,fig-6d,table-v] [--repeat N] [--json FILE] [--write]
 *
 * Networks are trained on the shipped digits, seeded; the model files of `dir` are taken in as well.
 * table-iv makes Table IV and Fig 6(b), both from the same pairs. Fig 6(c) has a benchmark of its own.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { describeSetting, markdownTable, publish, settingOf } from './harness.js';
import { makePaperData } from './paper/checkpoints.js';
import { figure6d, measureProgressive, type ProgressiveRow } from './paper/progressive.js';
import {
  figure6b,
  judgeStorage,
  measureStorage,
  type StorageMeasure,
  tableIv,
  type Verdict,
} from './paper/storage-tables.js';
import { judgeTableV, measureTableV, type RecreationRow, tableV } from './paper/table-v.js';

const PARTS = ['table-iv', 'fig-6d', 'table-v'] as const;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function judgeProgressive(rows: readonly ProgressiveRow[]): Verdict[] {
  const of = (planes: number) => rows.filter((row) => row.planes === planes);
  const share = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const proven = Math.max(...of(1).map((row) => row.byMargins));
  const wrong = Math.max(...of(2).map((row) => row.mismatch));
  const least = Math.min(...of(2).map((row) => row.byScores));
  return [
    {
      claim: 'one byte proves most answers (reading the error rate as what cannot be decided)',
      holds: proven > 0.5,
      found: `at most ${share(proven)} are proven`,
    },
    {
      claim: 'two bytes give the answers of the whole weights',
      holds: wrong <= 0.005,
      found: `at most ${share(wrong)} of the answers differ`,
    },
    {
      claim: 'two bytes prove the answers by scores (Lemma 4), however deep the network',
      holds: least > 0.9,
      found: `${share(least)} of the deepest`,
    },
  ];
}

interface PaperResults {
  setting: ReturnType<typeof settingOf>;
  storage: StorageMeasure[];
  progressive: ProgressiveRow[];
  recreation: RecreationRow[];
  verdicts: Verdict[];
}

function reportOf({ setting, storage, progressive, recreation, verdicts }: PaperResults): string {
  const rows = verdicts.map(({ claim, holds, found }) => [claim, holds ? 'yes' : '**no**', found]);
  const parts = ['### What holds', markdownTable([['the paper', 'holds here', 'found'], ...rows])];
  if (storage.length > 0) {
    parts.push(
      '### Table IV: representations of fine-tuned models',
      'zlib at level 6; delta: SUB, which does not always give every bit back (Fig 6(b)). Fixed point ' +
        'and normalised numbers are lossy from the start; dlv never is.',
      tableIv(storage),
      '### Fig 6(b): materialise or delta, bytewise',
      figure6b(storage),
    );
  }
  if (progressive.length > 0) {
    parts.push(
      '### Fig 6(d): answers from leading planes',
      `The paper's one error rate stands under "other answers". Ours: ${progressive[0]?.images} ` +
        'images of digits; bytes not read are filled with the middle of what they can be.',
      figure6d(progressive),
    );
  }
  if (recreation.length > 0) {
    parts.push(
      '### Table V: recreation of a snapshot',
      'Means over the snapshots, from files in memory. × stands for multiples of materialised ' +
        'snapshots read whole: bytes read, the unit that plans are made in, and time.',
      tableV(recreation),
    );
  }
  return [...parts, describeSetting(setting)].join('\n\n');
}

async function measure(
  folder: string | null,
  parts: readonly string[],
  repeat: number,
  scratch: string,
): Promise<PaperResults> {
  const named = folder === null ? '' : ` <${path.basename(folder)}>`;
  const only = parts.length < PARTS.length ? ` --only ${parts.join(',')}` : '';
  const results: PaperResults = {
    setting: settingOf(`npm run bench:paper --${named}${only} --repeat ${repeat}`),
    storage: [],
    progressive: [],
    recreation: [],
    verdicts: [],
  };
  say('training');
  const data = await makePaperData(scratch, folder);
  if (parts.includes('table-iv')) {
    for (const pair of data.pairs) {
      say(`${pair.scenario}: ${pair.name}`);
      results.storage.push(await measureStorage(pair));
    }
    results.verdicts.push(...judgeStorage(results.storage));
  }
  if (parts.includes('fig-6d')) {
    say('answers from leading planes');
    results.progressive = await measureProgressive(data.networks);
    results.verdicts.push(...judgeProgressive(results.progressive));
  }
  if (parts.includes('table-v')) {
    results.recreation = await measureTableV(data.chain, scratch, repeat, say);
    results.verdicts.push(...judgeTableV(results.recreation));
  }
  return results;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', default: PARTS.join(',') },
      repeat: { type: 'string', default: '9' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const parts = values.only.split(',');
  const unknown = parts.find((part) => !PARTS.some((known) => known === part));
  if (unknown !== undefined) throw new Error(`--only takes ${PARTS.join(', ')}, not '${unknown}'`);
  const repeat = Number(values.repeat);
  if (!(repeat >= 1)) throw new Error(`--repeat takes a number, not '${values.repeat}'`);
  const folder = positionals[0] === undefined ? null : path.resolve(positionals[0]);
  const scratch = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-paper-'));
  try {
    const results = await measure(folder, parts, repeat, scratch);
    const text = reportOf(results);
    process.stdout.write(`${text}\n`);
    if (values.json) await fs.writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
    if (values.write) await publish('paper', results, text);
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
}

await main();
