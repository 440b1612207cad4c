/**
 * Question: do small commands stay small when a repository is large? Start-up, status over 1,000
 * files, a commit without a change, log over 2,000 versions, a cold look-up among 10^6 extents,
 * 8,000 branches; and does the time grow with the number of files and versions, or faster?
 *
 *     npm run bench:scale -- [--runs N] [--commits N] [--extents N] [--branches N] [--versions N,N]
 *         [--only NAMES] [--quick] [--no-write]
 *
 * NAMES: status, log, lookup, branches, files, versions, table, commits, with commas between; default all.
 *
 * The parts of names (branches, files, versions, table, commits) are published each by itself when it has run, beside
 * what the others gave before: together they take an hour.
 *
 * `--quick` measures commits beside a tenth of what they are measured beside otherwise, and writes nothing.
 *
 * Commands are processes of their own. A cold look-up opens the store anew and asks for one extent;
 * what the system keeps in its page cache stays there.
 */

import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  describeSetting,
  formatBytes,
  markdownTable,
  PROJECT_ROOT,
  publish,
  type Setting,
  settingOf,
} from './harness.js';
import {
  branchRows,
  commitRows,
  fileRows,
  logRow,
  lookUpRow,
  type Row,
  statusRows,
  tableRows,
  versionRows,
} from './scale/rows.js';

function milliseconds(seconds: number): string {
  const value = 1000 * seconds;
  return `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ms`;
}

/** The parts of the table that is published once all of them have run. */
const SCALE = ['status', 'log', 'lookup'];
/** The parts that are published one by one. */
const NAMES = ['branches', 'files', 'versions', 'table', 'commits'];

interface Part {
  setting: Setting;
  rows: Row[];
}

/** Puts what a part gave beside what the others gave before. */
async function publishPart(name: string, part: Part): Promise<void> {
  const file = path.join(PROJECT_ROOT, 'benchmarks/results/scale-names.json');
  const known = JSON.parse(await fs.readFile(file, 'utf8').catch(() => '{}')) as Record<
    string,
    Part
  >;
  const parts = { ...known, [name]: part };
  const text = NAMES.flatMap((each) => {
    const { rows, setting } = parts[each] ?? {};
    return rows && setting ? [tableOf(rows, setting)] : [];
  });
  await publish('scale-names', parts, text.join('\n\n'), 'scale');
}

function tableOf(rows: readonly Row[], setting: Setting): string {
  return [
    markdownTable([
      ['what', 'median', 'min … max', 'n', 'cpu', 'peak memory', ''],
      ...rows.map(({ what, seconds, cpuSeconds, peakBytes, notes }) => [
        what,
        milliseconds(seconds.median),
        `${milliseconds(seconds.min)} … ${milliseconds(seconds.max)}`,
        String(seconds.n),
        cpuSeconds === null ? '' : milliseconds(cpuSeconds),
        peakBytes === null ? '' : formatBytes(peakBytes),
        notes,
      ]),
    ]),
    '',
    describeSetting(setting),
  ].join('\n');
}

function commandOf(only: string, runs: number, versions: string): string {
  const counts = /versions|table/.test(only) ? ` --versions ${versions}` : '';
  return `npm run bench:scale -- --only ${only} --runs ${runs}${counts}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '10' },
      commits: { type: 'string', default: '2000' },
      extents: { type: 'string', default: '1000000' },
      branches: { type: 'string', default: '8000' },
      versions: { type: 'string', default: '1000,10000' },
      only: { type: 'string', default: [...SCALE, ...NAMES].join(',') },
      quick: { type: 'boolean', default: false },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const isWritten = !values['no-write'] && !values.quick;
  const runs = Number(values.runs);
  // Without these each commit and branch would ask git who makes it, in a process of its own.
  process.env.DLV_AUTHOR_NAME ??= 'Scale';
  process.env.DLV_AUTHOR_EMAIL ??= 'scale@example.org';
  const setting = settingOf(`npm run bench:scale -- --runs ${runs}`);
  const work = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-scale-'));
  const folder = async (name: string): Promise<string> => {
    await fs.mkdir(path.join(work, name));
    return path.join(work, name);
  };
  try {
    const parts: Record<string, (dir: string) => Promise<Row[]>> = {
      status: (dir) => statusRows(dir, runs),
      log: (dir) => logRow(dir, runs, Number(values.commits)),
      lookup: async (dir) => [await lookUpRow(dir, runs, Number(values.extents))],
      branches: (dir) => branchRows(dir, runs, Number(values.branches)),
      files: (dir) => fileRows(dir, Math.min(runs, 3)),
      versions: (dir) =>
        versionRows(dir, Math.min(runs, 3), values.versions.split(',').map(Number)),
      commits: (dir) => commitRows(dir, Math.min(runs, 5), values.quick ? 10 : 1),
      table: (dir) => tableRows(dir, Math.min(runs, 5), values.versions.split(',').map(Number)),
    };
    const rows = new Map<string, Row[]>();
    for (const name of values.only.split(',')) {
      const part = parts[name];
      if (part === undefined) throw new Error(`'--only ${name}': choose of ${Object.keys(parts)}`);
      // What the machine does otherwise is asked before each part.
      const setting = settingOf(commandOf(values.only, runs, values.versions));
      const found = await part(await folder(name));
      rows.set(name, found);
      process.stdout.write(`${tableOf(found, setting)}\n`);
      if (isWritten && NAMES.includes(name)) await publishPart(name, { setting, rows: found });
    }
    if (!isWritten || !SCALE.every((part) => rows.has(part))) return;
    const found = SCALE.flatMap((part) => rows.get(part) ?? []);
    await publish('scale', { setting, rows: found }, tableOf(found, setting));
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

await main();
