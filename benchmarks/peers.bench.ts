/**
 * Question: what do add + commit and checkout cost beside tools that keep every file whole, and beside
 * `cp` + sha256?
 *
 *     npm run bench:peers -- [--rounds N] [--only NAMES] [--quick] [--json] [--dir D] [--no-write]
 *         [--data FOLDER] [--tools NAMES]
 *
 * NAMES, with commas between: dense, small, trainer, large, status, zipnn; default all. `--quick` makes
 * files of a sixteenth and one round. `--tools` leaves out all rivals but those named. `--data` names a
 * folder whose model files are compared with ZipNN.
 *
 * Rivals: git-lfs, DVC (DLV_PEER_DVC), borg, restic, and in Python (DLV_PEER_PYTHON) Xet's client and
 * ZipNN. Those that are not installed are skipped, with a line that says so.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  describeSetting,
  markdownTable,
  PROJECT_ROOT,
  publish,
  type Setting,
  settingOf,
  spreadOf,
} from './harness.js';
import { makeSeries, SERIES_NAMES, type SeriesName } from './peers/inputs.js';
import { firstLine } from './peers/process.js';
import { type SeriesResult, seriesTable, type Target, targetTable } from './peers/report.js';
import { peakOf, runCopy, runTool } from './peers/rounds.js';
import { compareSizes, type FileSizes, measureStatus, type StatusSample } from './peers/single.js';
import { targetsOf } from './peers/targets.js';
import { DLV_TOOL, RIVALS, type Tool } from './peers/tools.js';

const PARTS = [...SERIES_NAMES, 'status', 'zipnn'] as const;
type PartName = (typeof PARTS)[number];
const ROUNDS = 3;
const QUICK = 16;

export interface PeersResult {
  setting: Setting;
  tools: Record<string, string>;
  skipped: string[];
  sha256: string;
  series: SeriesResult[];
  status: StatusSample[];
  sizes: FileSizes[];
  targets: Target[];
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The sha256 program of the comparison, and what it is. */
async function findSha256(): Promise<{ argv: string[]; what: string }> {
  const openssl = await firstLine(['openssl', 'version']);
  if (openssl !== null) return { argv: ['openssl', 'dgst', '-sha256'], what: openssl };
  const argv = [process.execPath, path.join(PROJECT_ROOT, 'dist/benchmarks/hash-file.js')];
  return { argv, what: `OpenSSL ${process.versions.openssl} in Node` };
}

async function findTools(
  wanted: readonly string[] | undefined,
): Promise<{ tools: Tool[]; versions: Record<string, string> }> {
  const versions: Record<string, string> = {};
  const tools: Tool[] = [];
  for (const tool of [DLV_TOOL, ...RIVALS]) {
    if (wanted && tool !== DLV_TOOL && !wanted.includes(tool.name)) continue;
    const version = await tool.version();
    if (version === null) continue;
    versions[tool.name] = version;
    tools.push(tool);
  }
  return { tools, versions };
}

/** Tools from the `at`-th on, so that each is first in some round. */
function rotated(tools: readonly Tool[], at: number): Tool[] {
  const from = at % tools.length;
  return [...tools.slice(from), ...tools.slice(0, from)];
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    dir: { type: 'string', default: path.join(os.tmpdir(), 'dlv-peers') },
    data: { type: 'string' },
    tools: { type: 'string' },
    'no-write': { type: 'boolean', default: false },
  },
});
const parts = (values.only?.split(',') ?? PARTS) as readonly PartName[];
for (const part of parts) {
  if (!PARTS.includes(part)) throw new Error(`no part '${part}': choose from ${PARTS.join(', ')}`);
}
const rounds = Number(values.rounds ?? (values.quick ? 1 : ROUNDS));
await fs.mkdir(values.dir, { recursive: true });

const sha256 = await findSha256();
const { tools, versions } = await findTools(values.tools?.split(','));
const isWanted = (tool: Tool): boolean =>
  !values.tools || values.tools.split(',').includes(tool.name);
const skipped = RIVALS.filter((tool) => isWanted(tool) && !tools.includes(tool)).map(
  (tool) => `${tool.name} (${tool.hint})`,
);
for (const line of skipped) say(`SKIPPED: ${line}`);
const setting = settingOf(`npm run bench:peers -- ${process.argv.slice(2).join(' ')}`.trim());

const results: SeriesResult[] = [];
for (const name of SERIES_NAMES.filter((one) => parts.includes(one))) {
  say(`${name}: making its files`);
  const series = await makeSeries(name as SeriesName, values.dir, values.quick ? QUICK : 1);
  const result: SeriesResult = {
    series: { name, what: series.what },
    rounds: [],
    copies: [],
    peaks: await peakOf(series, values.dir),
  };
  for (let round = 0; round < rounds; round++) {
    const samples = [];
    for (const tool of rotated(tools, round)) {
      samples.push(await runTool(tool, series, values.dir));
      say(`${name}, round ${round + 1} of ${rounds}: ${tool.name} done`);
    }
    result.rounds.push(samples);
    result.copies.push(await runCopy(series, values.dir, sha256.argv));
  }
  results.push(result);
}
const status = parts.includes('status') ? await measureStatus(values.dir, 4 * rounds + 1) : [];
const sizes = parts.includes('zipnn')
  ? await compareSizes(values.dir, values.data, values.quick ? QUICK : 1)
  : { files: [], skipped: null };
if (sizes.skipped !== null) {
  say(`SKIPPED: ${sizes.skipped}`);
  skipped.push(sizes.skipped);
}
const targets = targetsOf(results, status, sizes.files);
const found: PeersResult = {
  setting,
  tools: versions,
  skipped,
  sha256: sha256.what,
  series: results,
  status,
  sizes: sizes.files,
  targets,
};
const text = [
  targetTable(targets),
  '',
  ...results.flatMap((result) => [seriesTable(result), '']),
  ...(sizes.files.length > 0 ? ['### One fp32 file alone', '', sizeTable(sizes.files), ''] : []),
  `${Object.values(versions).join('; ')}; sha256 by ${sha256.what}. Skipped: ${skipped.join(', ') || 'none'}.`,
  '',
  describeSetting(setting),
].join('\n');
process.stdout.write(values.json ? `${JSON.stringify(found, null, 2)}\n` : `${text}\n`);
if (!values['no-write'] && !values.quick && values.only === undefined && !values.tools) {
  await publish('peers', found, text);
}

function sizeTable(files: readonly FileSizes[]): string {
  const rows = files.map(({ file, bytes, dlv, zipnn }) => [
    file,
    String(bytes),
    String(dlv),
    String(zipnn),
    (dlv / zipnn).toFixed(4),
  ]);
  const worst = spreadOf(files.map(({ dlv, zipnn }) => dlv / zipnn)).max;
  rows.push(['largest ratio', '', '', '', worst.toFixed(4)]);
  return markdownTable([['file', 'bytes', 'dlv', 'ZipNN', 'ratio'], ...rows]);
}
