/**
 * The page of dlv ui in a real browser: how long until versions are seen, how long a filter takes, and how soon a
 * version that is made appears. Times are those of the browser's own clock.
 *
 *     npm run bench:ui
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { describeSetting, markdownTable, PROJECT_ROOT, publish, settingOf } from './harness.js';
import { makeRepository } from './query/repository.js';

const DLV = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
const PROGRAM = process.env.DLV_CHROMIUM ?? '/usr/bin/chromium';
const RUNS = 9;
const FILTERS = [
  'acc > 0.9',
  "opt = 'adam' and loss < 1",
  'lr < 0.01 or batch = 32',
  'not acc < 0.5',
];

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Milliseconds from the start of a navigation until the first row of a version is painted. */
async function firstRows(page: Page, address: string): Promise<number> {
  await page.goto(address);
  await page.waitForSelector('table.grid tbody tr th');
  return Number(
    await page.evaluate(
      'new Promise((done) => requestAnimationFrame(() => done(performance.now())))',
    ),
  );
}

/** Milliseconds from a letter until the rows that fit are painted. */
async function filterTime(page: Page, where: string): Promise<number> {
  const script = `(async () => {
    const field = document.querySelector('.filter input');
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
    const count = () => document.querySelector('.count').textContent;
    set.call(field, '');
    field.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise((done) => setTimeout(done, 400));
    const before = count();
    set.call(field, ${JSON.stringify(where)});
    const start = performance.now();
    field.dispatchEvent(new Event('input', { bubbles: true }));
    while (count() === before) await new Promise((done) => requestAnimationFrame(done));
    await new Promise((done) => requestAnimationFrame(done));
    return performance.now() - start;
  })()`;
  return Number(await page.evaluate(script));
}

interface Times {
  versions: number;
  firstMs: number;
  filterMs: number;
  liveMs: number;
  heapBytes: number;
}

async function measure(versions: number, work: string): Promise<Times> {
  const dir = path.join(work, String(versions));
  await fs.mkdir(dir);
  await makeRepository(dir, { versions, networks: 8 });
  const env = { ...process.env, DLV_AUTHOR_NAME: 'Bench', DLV_AUTHOR_EMAIL: 'bench@example.org' };
  const server = spawn(process.execPath, [DLV, 'ui', '--json', '--no-open'], { cwd: dir, env });
  let text = '';
  for await (const chunk of server.stdout) {
    text += String(chunk);
    if (text.includes('}')) break;
  }
  const { address } = JSON.parse(text) as { address: string };
  const browser = await chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(address);
    await page.waitForSelector('main h1');
    const table = new URL('/versions', address).href;
    await firstRows(page, table);
    await page.waitForLoadState('networkidle').catch(() => {});
    const first: number[] = [];
    for (let i = 0; i < RUNS; i++) first.push(await firstRows(page, table));
    await page.waitForTimeout(3000);
    const filters: number[] = [];
    for (const where of FILTERS) {
      for (let i = 0; i < 3; i++) filters.push(await filterTime(page, where));
    }
    const heapBytes = Number(await page.evaluate('performance.memory.usedJSHeapSize'));
    await page.goto(new URL('/lineage', address).href);
    await page.waitForSelector('table.lineage tbody tr');
    await fs.writeFile(path.join(dir, 'note.txt'), 'new');
    const run = (...args: string[]): Promise<void> =>
      new Promise((resolve) =>
        spawn(process.execPath, [DLV, '-q', ...args], { cwd: dir, env }).on('exit', () =>
          resolve(),
        ),
      );
    await run('add', 'note.txt');
    await run('commit', '-m', 'made while somebody looks');
    const made = performance.now();
    await page.waitForSelector('text=made while somebody looks');
    return {
      versions,
      firstMs: median(first),
      filterMs: Math.max(...filters),
      liveMs: performance.now() - made,
      heapBytes,
    };
  } finally {
    await browser.close();
    server.kill('SIGINT');
  }
}

const setting = settingOf('npm run bench:ui');
const work = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-ui-'));
try {
  const rows = [await measure(1000, work), await measure(10_000, work)];
  const text = [
    markdownTable([
      [
        'versions',
        'first rows, median',
        'filter, slowest of 12',
        'a new version is seen after',
        'heap of the page',
      ],
      ...rows.map((row) => [
        String(row.versions),
        ...[row.firstMs, row.filterMs, row.liveMs].map((ms) => `${Math.round(ms)} ms`),
        `${Math.round(row.heapBytes / 1e6)} MB`,
      ]),
    ]),
    '',
    describeSetting(setting),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  await publish('ui', { setting, rows }, text);
} finally {
  await fs.rm(work, { recursive: true, force: true });
}
