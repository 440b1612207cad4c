/**
 * Question: how long does DQL take on 10,000 versions whose networks have 100 operators, in a process that knows
 * nothing yet? Attributes, groups, joins by lineage, patterns of layers; and MLflow's search on the same runs.
 *
 *     npm run bench:query -- [--versions N] [--networks N] [--runs N] [--no-write]
 *
 * Seconds are those of the whole process, its start among them. MLflow is timed inside a running Python, beside
 * the time that starting it takes; without Python and mlflow it is skipped, and that is said. DLV_BENCH_PYTHON names a Python.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  describeSetting,
  formatBytes,
  formatSeconds,
  type Measured,
  markdownTable,
  measureDlv,
  PROJECT_ROOT,
  publish,
  runProcess,
  settingOf,
  spreadOf,
} from './harness.js';
import { makeRepository, sweepRun } from './query/repository.js';

const QUERIES: readonly [what: string, query: string][] = [
  [
    'attributes, 20 best',
    'select m where m.metrics.acc > 0.9 and m.params.opt = "adam" order by m.metrics.acc desc limit 20',
  ],
  ['attributes, all that fit', 'select m where m.metrics.acc > 0.9 and m.params.opt = "adam"'],
  [
    'groups',
    'select m.params.opt, count(*), max(m.metrics.acc), avg(m.metrics.loss) from m group by m.params.opt',
  ],
  ['lineage', 'select m where m derived from "sweep@9000" and m.params.lr < 1e-3'],
  [
    'layers: a name and its next',
    'select m where m["conv[11,22,33]"].next has POOL("MAX") order by m.metrics.acc desc limit 20',
  ],
  ['layers: all of a set', 'select m where all m["conv*"].succ has RELU and m.metrics.acc > 0.5'],
  [
    'layers: captures',
    'select m where m["conv*($1)"].units = 4 and m["conv*($1)"].next has POOL("AVG")',
  ],
  ['layers: counted', 'select m where count(m["pool*"]) > 2 and m has CONV(units = 6)'],
];

interface Row {
  what: string;
  found: number;
  seconds: number;
  cpuSeconds: number;
  peakBytes: number;
}

async function ask(
  dir: string,
  [what, query]: (typeof QUERIES)[number],
  runs: number,
): Promise<Row> {
  const samples: Measured[] = [];
  for (let i = 0; i < runs; i++) samples.push(await measureDlv(['query', query], dir));
  const { rows } = JSON.parse((samples[0] as Measured).stdout) as { rows: unknown[] };
  return {
    what,
    found: rows.length,
    seconds: spreadOf(samples.map(({ seconds }) => seconds)).median,
    cpuSeconds: spreadOf(samples.map(({ cpuSeconds }) => cpuSeconds)).median,
    peakBytes: Math.max(...samples.map(({ peakBytes }) => peakBytes)),
  };
}

interface MlflowAnswer {
  version: string;
  runs: number;
  imported: { cpu: number; wall: number };
  results: { what: string; found: number; cpu: number; wall: number }[];
}

/** MLflow's searches; null where it is not installed. */
async function searchMlflow(dir: string, versions: number): Promise<MlflowAnswer | null> {
  const python = process.env.DLV_BENCH_PYTHON ?? 'python3';
  if (spawnSync(python, ['-c', 'import mlflow']).status !== 0) {
    process.stderr.write(
      `SKIPPED: ${python} has no mlflow: its search is NOT measured; name a Python that has it in DLV_BENCH_PYTHON\n`,
    );
    return null;
  }
  const runs = path.join(dir, 'runs.json');
  await fs.writeFile(runs, JSON.stringify(Array.from({ length: versions }, (_, i) => sweepRun(i))));
  const script = path.join(PROJECT_ROOT, 'benchmarks/query/mlflow_search.py');
  const { stdout } = await runProcess(python, [script, dir, runs], { cwd: dir });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as MlflowAnswer;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      versions: { type: 'string', default: '10000' },
      networks: { type: 'string', default: '64' },
      runs: { type: 'string', default: '5' },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const [versions, networks, runs] = [values.versions, values.networks, values.runs].map(
    Number,
  ) as [number, number, number];
  const setting = settingOf(
    `npm run bench:query -- --versions ${versions} --networks ${networks} --runs ${runs}`,
  );
  const work = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-query-'));
  try {
    const dir = path.join(work, 'repository');
    await fs.mkdir(dir);
    const operators = await makeRepository(dir, { versions, networks });
    const first = await ask(
      dir,
      ['the first query: the catalog is made', QUERIES[0]?.[1] as string],
      1,
    );
    const rows = [first];
    for (const query of QUERIES) rows.push(await ask(dir, query, runs));
    const mlflow = await searchMlflow(work, versions);
    const found = [
      ...rows.map(({ what, found: count, seconds, cpuSeconds, peakBytes }) => [
        ...['dlv', what, String(count), formatSeconds(seconds)],
        ...[formatSeconds(cpuSeconds), formatBytes(peakBytes)],
      ]),
      ...(mlflow === null
        ? []
        : [
            {
              ...{ what: 'start of Python, import', found: 0 },
              ...{ cpu: mlflow.imported.cpu, wall: mlflow.imported.wall },
            },
            ...mlflow.results,
          ].map(({ what, found: count, cpu, wall }) => [
            ...[`MLflow ${mlflow.version}`, what, count === 0 ? '' : String(count)],
            ...[formatSeconds(wall), formatSeconds(cpu), ''],
          ])),
    ];
    const text = [
      `${versions} versions of ${networks} networks of ${operators} operators; ${
        mlflow === null ? 'MLflow was not installed.' : 'MLflow keeps the same runs in SQLite.'
      }`,
      '',
      markdownTable([['', 'query', 'rows', 'seconds', 'cpu', 'peak memory'], ...found]),
      '',
      describeSetting(setting),
    ].join('\n');
    process.stdout.write(`${text}\n`);
    if (!values['no-write']) await publish('query', { setting, rows, mlflow }, text);
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

await main();
