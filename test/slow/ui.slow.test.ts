/**
 * The page of dlv ui in a real browser, as a person goes through it: all views with hostile names in light, dark and
 * narrow, with axe; by keys alone; back; new versions that appear; nothing asked of another server.
 */
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { BrowserContext, Page } from 'playwright-core';
import { Layout } from '../../lib/storage/repo/layout.js';
import { appendRows } from '../../lib/storage/repo/runs/run-metrics.js';
import { writeRun } from '../../lib/storage/repo/runs/run-record.js';
import { findChromium, launch, serveUi } from '../helpers/chromium.js';
import { hasRuntime, linearNetwork } from '../helpers/linear-network.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { runRecord } from '../helpers/run-record.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const program = findChromium();
const walk = program === null ? skipped : test;

function skipped(title: string): void {
  test(title, (t) => {
    t.log(
      'SKIPPED: no Chromium here, the page is NOT tested; install one or name it in DLV_CHROMIUM',
    );
    t.pass();
  });
}

const ATTACK = `</script></title><img src=x onerror="window.hurt=1">"'\u202e&lt;javascript:window.hurt=1//`;

const RUN = '0123456789';
const HANDLER = "' onmouseover='window.hurt=1";

async function hostile(t: ExecutionContext): Promise<TestRepository> {
  process.env.DLV_AUTHOR_NAME = `<img src=x onerror=window.hurt=1>`;
  process.env.DLV_AUTHOR_EMAIL = 'a&b@example.org';
  const repo = await TestRepository.create(t);
  let tensors = randomTensors({ [ATTACK]: [64, 128], 'a.<i>': [8] }, 1);
  for (const step of [1, 2, 3]) {
    tensors = nudge(tensors, 1e-3, step);
    await repo.write('<b onload=window.hurt=1>.safetensors', safetensors(tensors));
    await repo.write(
      '<svg onload=window.hurt=1>.onnx',
      linearNetwork({ weights: [[step, 1]], bias: [0, 1] }),
    );
    const rows = [1, 2, 3].map(
      (at) => `{"step": ${10 * step + at}, ${JSON.stringify(`${ATTACK}loss`)}: ${at * step}}`,
    );
    await repo.write('run.jsonl', rows.join('\n'));
    await repo.commit(`${ATTACK} ${step}`, {
      paths: ['<b onload=window.hurt=1>.safetensors', '<svg onload=window.hurt=1>.onnx'],
      params: { [HANDLER]: `${ATTACK}${step}`, rate: step / 10 },
      logs: ['run.jsonl'],
    });
  }
  await repo.json('branch', `x"onerror='window.hurt=1'`).catch(() => undefined);
  await hostileRun(new Layout(repo.dir));
  return repo;
}

/** A run all of whose texts are attacks. */
async function hostileRun(layout: Layout): Promise<void> {
  const record = runRecord({ id: RUN, name: ATTACK, command: ['python', ATTACK], cwd: ATTACK });
  const [checkpoint] = record.checkpoints;
  await writeRun(
    layout,
    {
      ...record,
      ...{ state: 'killed', ended: Date.now(), signal: ATTACK, branch: HANDLER },
      ...{ environment: { [ATTACK]: ATTACK }, params: { [HANDLER]: ATTACK }, problems: [ATTACK] },
      metrics: [{ name: ATTACK, count: 2, step: 2, last: 0.5 }],
      checkpoints:
        checkpoint === undefined ? [] : [{ ...checkpoint, place: ATTACK, problem: ATTACK }],
    },
    { durable: false },
  );
  const rows = [1, 2].map((step) => ({
    ...{ step, time: null, source: ATTACK },
    values: new Map([[ATTACK, 1 / step]]),
  }));
  await appendRows(layout, RUN, rows);
  await fs.writeFile(
    layout.runFile(RUN, 'output.log'),
    `\u001b[31m${ATTACK}\u001b[0m\r${ATTACK}\n`,
  );
}

const VIEWS = [
  '/',
  '/versions?sel=net@1,net@2',
  '/versions?where=rate+>+0.15&base=net@1&sort=-rate',
  '/versions?as=parallel',
  '/versions?as=scatter&x=params.rate',
  '/versions?group=model',
  `/versions?group=${encodeURIComponent(`params.${HANDLER}`)}`,
  '/runs',
  `/runs?pick=${RUN}`,
  `/run?r=${RUN}`,
  `/run?r=${RUN}&tab=checkpoints`,
  `/run?r=${RUN}&tab=about`,
  `/run?r=${RUN}&tab=output`,
  '/run?r=nope',
  `/curves?r=${RUN}`,
  '/lineage',
  '/version?v=net@3',
  '/version?v=net@3&tab=network',
  '/version?v=net@3&tab=weights',
  '/version?v=net@3&tab=files',
  '/compare?v=net@1,net@2',
  '/compare?v=net@1,net@2,net@3',
  '/curves?v=net@1,net@2',
  '/query?q=select+m,+m.message+where+m.files+>+0',
  '/query?q=select+nonsense',
  '/storage',
  '/eval?v=net@1',
  '/version?v=nope',
  `/versions?where=${encodeURIComponent(ATTACK)}`,
];

/** Goes to a view and waits until all of it is there. */
async function visit(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.waitForSelector('main h1, main .banner');
  await page.waitForSelector('[aria-busy=true]', { state: 'detached' });
}

/** A page that was let in, and what went wrong in it. */
async function opened(
  t: ExecutionContext,
  context: BrowserContext,
  address: string,
): Promise<{ page: Page; wrong: string[] }> {
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (said) => {
    // A document that is an error comes with a status of one.
    if (said.type() === 'error' && !/status of 4\d\d/.test(said.text())) wrong.push(said.text());
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol !== 'data:' && hostname !== '127.0.0.1') wrong.push(`asks ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForSelector('main h1');
  t.notRegex(page.url(), /token/, 'the token is in no history');
  return { page, wrong };
}

walk(
  'ui: every view with hostile names, light, dark and narrow, has no violation and runs nothing',
  async (t) => {
    t.timeout(600_000);
    const repo = await hostile(t);
    const address = await serveUi(t, repo.dir);
    const browser = await launch(program as string);
    t.teardown(() => browser.close());
    const axe = await fs.readFile(
      createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
      'utf8',
    );
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 1280],
      ['light', 360],
    ] as const) {
      const context = await browser.newContext({ viewport: { width, height: 740 }, colorScheme });
      const { page, wrong } = await opened(t, context, address);
      for (const view of VIEWS) {
        const where = `${view} ${colorScheme} ${width}`;
        await visit(page, new URL(view, address).href);
        t.is(await page.evaluate('window.hurt'), undefined, where);
        t.is(await page.locator('main img, main script').count(), 0, where);
        t.false(/[\u202a-\u202e\u2066-\u2069]/.test(await page.locator('main').innerText()), where);
        t.true(
          Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth')) <= 0,
          `${where} is too wide`,
        );
        await page.evaluate(axe);
        const found = (await page.evaluate(
          'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html))',
        )) as string[];
        t.deepEqual(found, [], where);
      }
      t.deepEqual(wrong, []);
      await context.close();
    }
  },
);

walk('ui: by keys alone, and back', async (t) => {
  t.timeout(120_000);
  const repo = await hostile(t);
  const address = await serveUi(t, repo.dir);
  const browser = await launch(program as string);
  t.teardown(() => browser.close());
  const { page } = await opened(t, await browser.newContext(), address);
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await press('g', 'v');
  await page.waitForURL('**/versions');
  await page.waitForSelector('table.grid tbody tr');
  await press('j', 'j', 'x', 'k', 'x');
  await page.waitForURL('**/versions?sel=net@2,net@3');
  await press('b');
  await page.waitForURL('**base=net@3**');
  await page.waitForSelector('tr.base');
  await press('d');
  await page.waitForURL('**/compare?v=net@2,net@3**');
  await page.waitForSelector('text=Summary');
  await page.goBack();
  await page.waitForSelector('tr.base');
  await press('/');
  await page.keyboard.type('rate > 0.25');
  await page.waitForSelector('text=1 of 3 versions');
  await press('Escape', 'j', 'Enter');
  await page.waitForURL('**/version?v=net@3**');
  await page.waitForSelector('[aria-label^="previous version"]');
  await press('[');
  await page.waitForURL('**/version?v=net@2**');
  await press('?');
  await page.waitForSelector('dialog[open]');
  await press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await press('Escape');
  await page.waitForURL('**/version?v=net@3**');
  t.pass();
});

walk('ui: a version that is made appears by itself, and a stranger sees nothing', async (t) => {
  t.timeout(120_000);
  const repo = await hostile(t);
  const address = await serveUi(t, repo.dir);
  const browser = await launch(program as string);
  t.teardown(() => browser.close());
  const { page } = await opened(t, await browser.newContext(), address);
  await visit(page, new URL('/versions', address).href);
  await page.waitForSelector('text=3 versions');
  await repo.write('note.txt', 'new');
  await repo.commit('made while somebody looks', { paths: ['note.txt'] });
  await page.waitForSelector('text=4 versions');
  const stranger = await (await browser.newContext()).newPage();
  await stranger.goto(new URL('/versions', address).href);
  await stranger.waitForSelector('text=This page is locked');
  t.is(await stranger.locator('text=net@').count(), 0);
});

walk('ui: what a run measures is seen while it goes on, and how it ends', async (t) => {
  t.timeout(120_000);
  const repo = await hostile(t);
  const layout = new Layout(repo.dir);
  const address = await serveUi(t, repo.dir);
  const browser = await launch(program as string);
  t.teardown(() => browser.close());
  const { page } = await opened(t, await browser.newContext(), address);
  const record = runRecord({ name: 'wide net', metrics: [], checkpoints: [] });
  await writeRun(layout, record, { durable: false });
  // On the first page, without a look for it.
  await page.click('.going >> text=wide net');
  await page.waitForURL(`**/run?r=${record.id}`);
  await page.waitForSelector('text=Nothing is measured yet');
  for (const [step, loss] of [
    [1, 0.75],
    [2, 0.4375],
  ] as const) {
    const row = { step, time: null, source: 'output', values: new Map([['loss', loss]]) };
    await appendRows(layout, record.id, [row]);
    await page.waitForSelector(`.runline >> text=loss ${loss}`);
  }
  t.is(await page.locator('.chart canvas').count(), 1);
  const ended = { ...record, state: 'finished' as const, code: 0, ended: Date.now() };
  await writeRun(layout, ended, { durable: false });
  await page.waitForSelector('.state.finished');
  await page.goBack();
  await page.waitForSelector('main h1 >> text=Models');
  t.is(await page.locator('.going').count(), 0);
});

walk(
  'ui: groups lead to their versions, and a part of a scatter plot becomes a condition',
  async (t) => {
    t.timeout(120_000);
    const repo = await hostile(t);
    const address = await serveUi(t, repo.dir);
    const browser = await launch(program as string);
    t.teardown(() => browser.close());
    const { page } = await opened(t, await browser.newContext(), address);
    await visit(page, new URL('/versions', address).href);
    await page.selectOption('.group select', 'params.rate');
    await page.waitForSelector('table.groups tbody tr');
    t.is(await page.locator('table.groups tbody tr').count(), 3);
    await page.click('table.groups tbody tr:first-child td a');
    await page.waitForSelector('text=1 of 3 versions');
    t.regex(decodeURIComponent(page.url()), /where=params\.rate\+=\+0\.3/);
    await page.goBack();
    await page.waitForSelector('table.groups');
    await visit(page, new URL('/versions?as=scatter&x=params.rate&y=number', address).href);
    const box = await page.locator('svg.scatter').boundingBox();
    if (box === null) return t.fail('no plot');
    await page.mouse.move(box.x + box.width * 0.5, box.y + 4);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 4, box.y + box.height * 0.95, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL('**where=**');
    t.regex(decodeURIComponent(page.url()), /params\.rate\+between/);
    await page.waitForSelector('text=/^[12] of 3 versions/');
  },
);

walk('ui: a box of a network is opened alone, walked by keys, and Back folds it', async (t) => {
  t.timeout(120_000);
  const repo = await TestRepository.create(t);
  await repo.json(
    'query',
    'construct deep as INPUT(3, 4, 4) -> (CONV(units = 2, kernel = 1) -> RELU -> POOL("MAX", kernel = 1)){40} seed 1',
  );
  const address = await serveUi(t, repo.dir);
  const browser = await launch(program as string);
  t.teardown(() => browser.close());
  const { page } = await opened(t, await browser.newContext(), address);
  await visit(page, new URL('/version?v=deep@1&tab=network&detail=few', address).href);
  const boxes = (): Promise<number> => page.locator('.net g[data-n]').count();
  const before = await boxes();
  t.true(before <= 42, String(before));
  await page.click('g[data-folds=open] >> nth=1');
  await page.waitForURL('**open=**');
  t.true((await boxes()) > before);
  await page.goBack();
  await page.waitForFunction(`document.querySelectorAll('.net g[data-n]').length === ${before}`);
  await page.focus('.net g[tabindex="0"]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL('**open=**');
  await page.click('.opened button');
  await page.waitForFunction(`document.querySelectorAll('.net g[data-n]').length === ${before}`);
  t.pass();
});

walk('ui: a partial clone and a damaged repository say so', async (t) => {
  t.timeout(120_000);
  const repo = await hostile(t);
  const partial = path.join(await tempDir(t), 'partial');
  await repo.json('clone', '--depth', '1', repo.dir, partial);
  const browser = await launch(program as string);
  t.teardown(() => browser.close());
  const clone = await serveUi(t, partial);
  const { page } = await opened(t, await browser.newContext(), clone);
  await visit(page, new URL('/compare?v=net@1,net@2', clone).href);
  await page.waitForSelector('.banner >> text=This clone is partial');
  await visit(page, new URL('/versions', clone).href);
  await page.waitForSelector('text=3 versions');

  const packs = path.join(repo.dir, '.dlv/packs');
  for (const name of await fs.readdir(packs)) {
    if (!name.endsWith('.hi')) continue;
    const bytes = await fs.readFile(path.join(packs, name));
    await fs.chmod(path.join(packs, name), 0o644);
    await fs.writeFile(
      path.join(packs, name),
      bytes.map((byte) => byte ^ 0x55),
    );
  }
  const damaged = await serveUi(t, repo.dir);
  const { page: other } = await opened(t, await browser.newContext(), damaged);
  await visit(other, new URL('/compare?v=net@1,net@2', damaged).href);
  await other.waitForSelector('.banner.bad >> text=damaged');
  await visit(other, new URL('/versions', damaged).href);
  await other.waitForSelector('text=3 versions');
  t.pass();
});

walk('ui: versions are evaluated and compared on the same examples', async (t) => {
  t.timeout(120_000);
  if (!hasRuntime()) return t.pass('SKIPPED: onnxruntime-node is not installed');
  const repo = await TestRepository.create(t);
  for (const seed of [1, 2]) {
    const weights = Array.from({ length: 64 }, (_, pixel) =>
      Array.from({ length: 10 }, (_, digit) => Math.sin(seed * 37 * (pixel + 1) * (digit + 1))),
    );
    const bias = new Array<number>(10).fill(0);
    await repo.write('net.onnx', linearNetwork({ weights, bias, example: [1, 8, 8] }));
    await repo.commit(`seed ${seed}`);
  }
  for (const name of ['images.npy', 'labels.npy']) {
    await fs.copyFile(fixture('digits', name), path.join(repo.dir, name));
  }
  const address = await serveUi(t, repo.dir);
  const browser = await launch(program as string);
  t.teardown(() => browser.close());
  const { page } = await opened(t, await browser.newContext(), address);
  await visit(page, new URL('/eval?sel=net@1,net@2', address).href);
  for (const [flag, value] of [
    ['data', 'images.npy'],
    ['labels', 'labels.npy'],
    ['scale', '1/16'],
    ['limit', '300'],
  ] as const) {
    await page.fill(`label.field:has(span:text-is("${flag}")) input`, value);
  }
  await page.click('button.primary >> text=Run');
  await page.waitForURL('**run=1**');
  await page.waitForSelector('h2 >> text=Against net@1, on the same examples');
  t.regex(await page.locator('main').innerText(), /300/);
  await page.reload();
  await page.waitForSelector('h2 >> text=Against net@1, on the same examples');
});
