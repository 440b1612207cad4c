/**
 * Table V of the paper on a chain of checkpoints: what bringing back a snapshot takes under three
 * storage plans, whole and from its leading planes, one tensor after another and several at once.
 *
 * The paper gives seconds and plans in bytes read; here both stand side by side. Byte 1 alone is no
 * stop of dlv's encodings, so its row has no counterpart.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { parseBudget } from '../../lib/pure/plan/budget-text.js';
import type { OpContext } from '../../lib/use/context.js';
import { benchRecovery, type RecoveryRow } from '../../lib/use/measure/bench-recovery.js';
import { chooseSubjects } from '../../lib/use/measure/subjects.js';
import { add } from '../../lib/use/ops/add.js';
import { archive } from '../../lib/use/ops/archive.js';
import { commit } from '../../lib/use/ops/commit.js';
import { init } from '../../lib/use/ops/init.js';
import { withRepository } from '../../lib/use/ops/with-repository.js';
import { noProgress } from '../../lib/use/progress.js';
import type { ModelFile } from '../codec/models.js';
import { markdownTable } from '../harness.js';
import type { Verdict } from './storage-tables.js';

/** Plans by the budget that makes them. */
const PLANS = [
  { name: 'materialised', budget: '1', paper: { all: [3.49, 2.16], 2: null, 1: null } },
  { name: 'least storage', budget: 'none', paper: { all: [8.47, 4.85], 2: null, 1: null } },
  {
    name: 'PAS, α = 1.6',
    budget: '1.6',
    paper: { all: [8.1, 4.59], 2: [3.19, 0.38], 1: [1.6, 0.18] },
  },
] as const;

/** One plan read to one depth; means over the snapshots. */
export interface RecreationRow {
  plan: string;
  storedBytes: number;
  /** null: all. */
  planes: number | null;
  readBytes: number;
  ms: Record<RecoveryRow['scheme'], number>;
}

const SCHEMES = ['independent', 'parallel', 'reusable'] as const;

/** @param repeat  runs of each; their median is taken. */
export async function measureTableV(
  chain: readonly ModelFile[],
  scratch: string,
  repeat: number,
  say: (line: string) => void,
): Promise<RecreationRow[]> {
  const folder = path.join(scratch, 'table-v');
  await fs.mkdir(folder);
  const context: OpContext = { cwd: folder, progress: noProgress, warn() {} };
  await init(context, { model: 'net' });
  for (const { file, name } of chain) {
    const target = `model${path.extname(file)}`;
    await fs.copyFile(file, path.join(folder, target));
    await withRepository(context, async (repo) => {
      await add(repo, { paths: [target] }, context);
      await commit(repo, { message: name, allowEmpty: true }, context);
    });
  }
  const rows: RecreationRow[] = [];
  for (const { name, budget } of PLANS) {
    say(`Table V: ${name}`);
    await withRepository(context, (repo) =>
      archive(
        repo,
        { budgets: [parseBudget(budget)], unit: 'bytes', all: true, timeLimit: 20 },
        context,
      ),
    );
    await withRepository(context, async (repo) => {
      const subjects = await chooseSubjects(repo, [], chain.length, context);
      const recovery = await benchRecovery(repo, subjects, { repeat, cold: false }, context);
      const storedBytes = subjects.survey.extents.reduce((sum, { live }) => sum + live.bytes, 0);
      const warm = recovery.rows.filter((row) => row.snapshot !== null);
      for (const planes of [...new Set(warm.map((row) => row.planes))]) {
        const own = warm.filter((row) => row.planes === planes);
        const mean = (scheme: RecoveryRow['scheme'], of: (row: RecoveryRow) => number): number => {
          const rows = own.filter((row) => row.scheme === scheme);
          return rows.reduce((sum, row) => sum + of(row), 0) / Math.max(1, rows.length);
        };
        rows.push({
          plan: name,
          storedBytes,
          planes,
          readBytes: mean('independent', (row) => row.readBytes),
          ms: {
            independent: mean('independent', (row) => row.ms.median),
            parallel: mean('parallel', (row) => row.ms.median),
            reusable: mean('reusable', (row) => row.ms.median),
          },
        });
      }
    });
  }
  return rows;
}

/** Paper and ours, each as a multiple of materialised snapshots read whole. */
export function tableV(rows: readonly RecreationRow[]): string {
  const whole = rows[0];
  if (whole === undefined) return '';
  const times = (value: number, unit: number): string => `× ${(value / unit).toFixed(2)}`;
  const head = [
    'plan',
    'planes',
    'stored, MB',
    'read, MB',
    'read ÷ materialised',
    ...SCHEMES.map((scheme) => `${scheme}, ms`),
    'independent',
    'parallel',
    'paper, independent',
    'paper, parallel',
  ];
  const body = rows.map(({ plan, storedBytes, planes, readBytes, ms }) => {
    const found = PLANS.find(({ name }) => name === plan)?.paper;
    const paper = planes === null ? found?.all : planes === 2 ? found?.[2] : null;
    const { independent, parallel } = ms;
    return [
      plan,
      planes === null ? 'all' : String(planes),
      (storedBytes / 1e6).toFixed(2),
      (readBytes / 1e6).toFixed(2),
      times(readBytes, whole.readBytes),
      ...SCHEMES.map((scheme) => ms[scheme].toFixed(2)),
      times(independent, whole.ms.independent),
      times(parallel, whole.ms.parallel),
      paper ? times(paper[0], 3.49) : '–',
      paper ? times(paper[1], 2.16) : '–',
    ];
  });
  return markdownTable([head, ...body]);
}

export function judgeTableV(rows: readonly RecreationRow[]): Verdict[] {
  const row = (plan: string, planes: number | null) =>
    rows.find((r) => r.plan === plan && r.planes === planes);
  const [first, least, pas] = PLANS.map(({ name }) => row(name, null));
  const pas2 = row(PLANS[2].name, 2);
  if (!first || !least || !pas || !pas2) return [];
  const ratio = (value: number): string => `× ${value.toFixed(2)}`;
  const grown = pas.readBytes / first.readBytes;
  const slowed = pas.ms.independent / first.ms.independent;
  const partial = pas2.readBytes / pas.readBytes;
  const partialMs = pas2.ms.independent / pas.ms.independent;
  const full = pas.ms.independent / pas.ms.parallel;
  const some = pas2.ms.independent / pas2.ms.parallel;
  return [
    {
      claim: 'the least storage reads the most, α = 1.6 less, materialised the least',
      // Plans of equal storage may differ a little in what they read.
      holds: 1.005 * least.readBytes >= pas.readBytes && pas.readBytes >= first.readBytes,
      found: [least, pas, first].map((r) => `${(r.readBytes / 1e6).toFixed(2)} MB`).join(', '),
    },
    {
      claim: 'a plan for × 1.6 the bytes takes more than × 1.6 the time (the paper: × 2.32)',
      holds: slowed > 1.6,
      found: `${ratio(slowed)} the time for ${ratio(grown)} the bytes`,
    },
    {
      claim: 'two planes under α = 1.6 come back faster than materialised snapshots whole',
      holds: pas2.ms.independent < first.ms.independent,
      found: `${pas2.ms.independent.toFixed(2)} ms against ${first.ms.independent.toFixed(2)} ms`,
    },
    {
      claim: 'two planes take × 0.39 of the time of all (Table V, independent)',
      holds: partialMs <= 0.45,
      found: `${ratio(partialMs)} the time, ${ratio(partial)} the bytes`,
    },
    {
      claim: 'parallel pays far more for leading planes (× 8) than for all (× 1.8)',
      holds: some > 2 * full,
      found: `${ratio(some)} for two planes, ${ratio(full)} for all`,
    },
  ];
}
