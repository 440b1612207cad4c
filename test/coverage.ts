/**
 * Measures which lines and branches of lib/ the ordinary suite runs, and prints a table by room.
 *
 * Usage: node dist/test/coverage.js [globs of tests…]; `npm run coverage` builds first. lib/ is never
 * bundled with the tests, so that what V8 counts maps to one source each. Details of each file are
 * in coverage/index.html afterwards. What a test runs in the bundled command does not count, and a
 * process that is killed says nothing.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import glob from 'fast-glob';
import { PROJECT_ROOT } from './helpers/paths.js';
import { roomOf } from './helpers/tidy/imports.js';

const FOLDER = path.join(PROJECT_ROOT, 'coverage');

interface Counts {
  total: number;
  covered: number;
}

type Summary = Record<string, { lines: Counts; branches: Counts; functions: Counts }>;
type Kind = keyof Summary[string];
const KINDS: readonly Kind[] = ['lines', 'branches', 'functions'];

function run(args: readonly string[]): Promise<number> {
  const c8 = createRequire(import.meta.url).resolve('c8/bin/c8.js');
  const child = spawn(process.execPath, [c8, ...args], { cwd: PROJECT_ROOT, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function percent({ total, covered }: Counts): string {
  return total === 0 ? '–' : `${((100 * covered) / total).toFixed(1)} %`;
}

async function printTable(): Promise<void> {
  const file = path.join(FOLDER, 'coverage-summary.json');
  const { total, ...files } = JSON.parse(await fs.readFile(file, 'utf8')) as Summary;
  const rooms = new Map<string, Record<Kind, Counts>>();
  const measured = new Set<string>();
  for (const [full, counts] of Object.entries(files)) {
    const name = path.relative(PROJECT_ROOT, full).split(path.sep).join('/');
    measured.add(name);
    const room = roomOf(name) as string;
    const sums = rooms.get(room) ?? {
      lines: { total: 0, covered: 0 },
      branches: { total: 0, covered: 0 },
      functions: { total: 0, covered: 0 },
    };
    rooms.set(room, sums);
    for (const kind of KINDS) {
      sums[kind].total += counts[kind].total;
      sums[kind].covered += counts[kind].covered;
    }
  }
  const row = (name: string, counts: Record<Kind, Counts>): string =>
    `| ${name} | ${KINDS.map((kind) => percent(counts[kind])).join(' | ')} |\n`;
  process.stdout.write('\n| room | lines | branches | functions |\n| --- | --- | --- | --- |\n');
  for (const [room, counts] of [...rooms].sort()) process.stdout.write(row(room, counts));
  if (total !== undefined) process.stdout.write(row('all', total));
  const sources = await glob('lib/**/*.ts', { cwd: PROJECT_ROOT });
  const never = sources.filter((source) => !measured.has(source)).sort();
  process.stdout.write(`\nnever loaded, or types alone: ${never.join(' ') || 'none'}\n`);
}

const code = await run([
  ...['--temp-directory', path.join(FOLDER, 'raw'), '--reports-dir', FOLDER, '--merge-async'],
  ...['--include', 'lib/**', '--exclude-after-remap', '--all', 'false'],
  ...['--reporter', 'json-summary', '--reporter', 'html', '--reporter', 'json'],
  ...[process.execPath, 'dist/test/run.js', ...process.argv.slice(2)],
]);
await printTable();
process.exitCode = code;
