/**
 * The page of dlv ui in a real browser: how long until views are seen, how long a filter takes, and how soon a
 * version that is made and a metric that is measured appear. Times are those of the browser's own clock.
 *
 *     npm run bench:ui
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
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
  groupMs: number;
  scatterMs: number;
  storageMs: number;
  storageAllMs: number;
  liveMs: number;
  heapBytes: number;
}

interface Shown {
  page: Page;
  address: string;
  dlv(...args: string[]): Promise<void>;
}

const ENV = { ...process.env, DLV_AUTHOR_NAME: 'Bench', DLV_AUTHOR_EMAIL: 'bench@example.org' };

/** Serves a repository, and shows it in a browser that knows nothing of it yet. */
async function show<T>(dir: string, action: (shown: Shown) => Promise<T>): Promise<T> {
  const server = spawn(process.execPath, [DLV, 'ui', '--json', '--no-open'], {
    cwd: dir,
    env: ENV,
  });
  const browser = await chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox'] });
  try {
    let text = '';
    for await (const chunk of server.stdout) {
      text += String(chunk);
      if (text.includes('}')) break;
    }
    const { address } = JSON.parse(text) as { address: string };
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(address);
    await page.waitForSelector('main h1');
    const dlv = (...args: string[]): Promise<void> => run(dir, args);
    return await action({ page, address, dlv });
  } finally {
    await browser.close();
    server.kill('SIGINT');
  }
}

function run(dir: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [DLV, '-q', ...args], { cwd: dir, env: ENV });
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`dlv ${args[0]}: ${code}`)),
    );
  });
}

/** Milliseconds from the start of a navigation until something is painted. */
async function shownAfter({ page }: Shown, address: string, selector: string): Promise<number> {
  await page.goto(address);
  await page.waitForSelector(selector);
  return Number(
    await page.evaluate(
      'new Promise((done) => requestAnimationFrame(() => done(performance.now())))',
    ),
  );
}

async function measure(versions: number, work: string): Promise<Times> {
  const dir = path.join(work, String(versions));
  await fs.mkdir(dir);
  await makeRepository(dir, { versions, networks: 8 });
  return show(dir, async (shown) => {
    const { page, address, dlv } = shown;
    const at = (view: string): string => new URL(view, address).href;
    const row = 'table.grid tbody tr th';
    await shownAfter(shown, at('/versions'), row);
    await page.waitForTimeout(3000);
    const first: number[] = [];
    for (let i = 0; i < RUNS; i++) first.push(await shownAfter(shown, at('/versions'), row));
    await page.waitForSelector('.count[data-reading=false]');
    await page.waitForTimeout(500);
    const filters: number[] = [];
    for (const where of FILTERS) {
      for (let i = 0; i < 3; i++) filters.push(await filterTime(page, where));
    }
    const heapBytes = Number(await page.evaluate('performance.memory.usedJSHeapSize'));
    const groupMs = await shownAfter(
      shown,
      at('/versions?group=params.opt'),
      'table.groups tbody tr',
    );
    const scatterMs = await shownAfter(shown, at('/versions?as=scatter'), 'svg.scatter');
    // Nobody has asked for sizes before.
    const storageMs = await shownAfter(shown, at('/storage'), 'h2#models');
    await page.waitForSelector('h2#versions');
    const storageAllMs = Number(await page.evaluate('performance.now()'));
    await page.goto(at('/lineage'));
    await page.waitForSelector('table.lineage tbody tr');
    await fs.writeFile(path.join(dir, 'note.txt'), 'new');
    await dlv('add', 'note.txt');
    await dlv('commit', '-m', 'made while somebody looks');
    const made = performance.now();
    await page.waitForSelector('text=made while somebody looks');
    const liveMs = performance.now() - made;
    return {
      ...{ versions, firstMs: median(first), filterMs: Math.max(...filters), groupMs, scatterMs },
      ...{ storageMs, storageAllMs, liveMs, heapBytes },
    };
  });
}

interface Others {
  operators: number;
  drawnMs: number;
  againMs: number;
  metricMs: number;
}

/** A trainer that prints the time of day, by which what is shown is compared. */
const CLOCK = `let s = 0; const t = setInterval(() => { s += 1; console.log('step ' + s + ' loss=' + (Date.now() % 1e8)); if (s > 30) clearInterval(t); }, 500);`;

/** A network of some 750 operators, and a run that goes on. */
async function others(work: string): Promise<Others> {
  const dir = path.join(work, 'others');
  await fs.mkdir(dir);
  await run(dir, ['init', '--model', 'deep']);
  const blocks = 250;
  const text = `construct deep as INPUT(3, 8, 8) -> (CONV(units = 2, kernel = 3, pad = 1) -> BN -> RELU){${blocks}} -> FULL(units = 10) seed 1`;
  await run(dir, ['query', text]);
  return show(dir, async (shown) => {
    const { page, address, dlv } = shown;
    const network = new URL('/version?v=deep@1&tab=network&detail=all', address).href;
    const drawnMs = await shownAfter(shown, network, '.network .net svg');
    const againMs = await shownAfter(shown, network, '.network .net svg');
    await page.goto(new URL('/runs', address).href);
    const running = dlv('run', '--name', 'clock', '--', process.execPath, '-e', CLOCK);
    await page.click('text=clock');
    await page.waitForSelector('.runline');
    const lags = (await page.evaluate(`(async () => {
      const lags = [];
      let last = '';
      for (const end = performance.now() + 10000; performance.now() < end; ) {
        const [, now] = /loss (\\d+)/.exec(document.querySelector('.runline').textContent) ?? [];
        if (now !== undefined && now !== last) lags.push((Date.now() % 1e8) - Number(now));
        last = now;
        await new Promise((done) => requestAnimationFrame(done));
      }
      return lags.slice(1);
    })()`)) as number[];
    await running;
    return { operators: 3 * blocks + 1, drawnMs, againMs, metricMs: Math.max(...lags) };
  });
}

/** Script and style, compressed. */
async function bundleBytes(): Promise<number> {
  const files = ['app.js', 'app.css'].map((name) => path.join(PROJECT_ROOT, 'dist/ui', name));
  const sizes = await Promise.all(
    files.map(async (file) => gzipSync(await fs.readFile(file)).length),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

const setting = settingOf('npm run bench:ui');
const work = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-ui-'));
const ms = (value: number): string => `${Math.round(value)} ms`;
try {
  const rows = [await measure(1000, work), await measure(10_000, work)];
  const beside = await others(work);
  const bytes = await bundleBytes();
  const text = [
    markdownTable([
      [
        'versions',
        'first rows, median',
        'filter, slowest of 12',
        'groups',
        'scatter plot',
        'storage: whole, models',
        'storage: each version',
        'a new version is seen after',
        'heap of the page',
      ],
      ...rows.map((row) => [
        String(row.versions),
        ...[row.firstMs, row.filterMs, row.groupMs, row.scatterMs].map(ms),
        ...[row.storageMs, row.storageAllMs, row.liveMs].map(ms),
        `${Math.round(row.heapBytes / 1e6)} MB`,
      ]),
    ]),
    '',
    `A network of ${beside.operators} operators is drawn after ${ms(beside.drawnMs)}, again after ${ms(beside.againMs)}.`,
    `What a run prints is seen after ${ms(beside.metricMs)} at most.`,
    `The page takes ${Math.round(bytes / 1000)} kB compressed.`,
    '',
    describeSetting(setting),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  await publish('ui', { setting, rows, beside, bytes }, text);
} finally {
  await fs.rm(work, { recursive: true, force: true });
}
