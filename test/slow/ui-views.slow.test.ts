/**
 * What single views of dlv ui do, in a real browser: runs while they go on, groups and the scatter plot, networks
 * that are unfolded, evaluations, partial clones and damage.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { Layout } from '../../lib/storage/repo/layout.js';
import { appendRows } from '../../lib/storage/repo/runs/run-metrics.js';
import { writeRun } from '../../lib/storage/repo/runs/run-record.js';
import { serveUi } from '../helpers/chromium.js';
import { hasRuntime, linearNetwork } from '../helpers/linear-network.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { runRecord } from '../helpers/run-record.js';
import { tempDir } from '../helpers/temp-dir.js';
import { browserOf, hostile, opened, openedHostile, visit, walk } from '../helpers/ui-page.js';

walk('ui: what a run measures is seen while it goes on, and how it ends', async (t) => {
  t.timeout(120_000);
  const { repo, page } = await openedHostile(t);
  const layout = new Layout(repo.dir);
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
  await page.waitForSelector('.chart canvas');
  t.is(await page.locator('.chart canvas').count(), 1);
  const ended = { ...record, state: 'finished' as const, code: 0, ended: Date.now() };
  await writeRun(layout, ended, { durable: false });
  await page.waitForSelector('.state.finished');
  await page.goBack();
  await page.waitForSelector('main h1 >> text=Models');
  // What was known before is shown until the server has answered again.
  await page.waitForSelector('.going', { state: 'detached' });
});

walk(
  'ui: groups lead to their versions, and a part of a scatter plot becomes a condition',
  async (t) => {
    t.timeout(120_000);
    const { address, page } = await openedHostile(t);
    await visit(page, new URL('/versions', address).href);
    await page.selectOption('.group select', 'params.rate');
    await page.waitForSelector('table.groups tbody tr');
    await page.waitForFunction("document.querySelectorAll('table.groups tbody tr').length === 3");
    await page.click('table.groups tbody tr:first-child td a');
    await page.waitForSelector('text=1 of 3 versions');
    t.regex(decodeURIComponent(page.url()), /where=params\.rate\+=\+0\.3/);
    await page.goBack();
    await page.waitForSelector('table.groups');
    await visit(page, new URL('/versions?as=scatter&x=params.rate&y=number', address).href);
    await page.waitForSelector('svg.scatter');
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
  const browser = await browserOf(t);
  const { page } = await opened(t, await browser.newContext(), address);
  await visit(page, new URL('/version?v=deep@1&tab=network&detail=few', address).href);
  const boxes = (): Promise<number> => page.locator('.net g[data-n]').count();
  await page.waitForSelector('.net g[data-n]');
  const before = await boxes();
  t.true(before <= 42, String(before));
  await page.click('g[data-folds=open] >> nth=1');
  await page.waitForURL('**open=**');
  await page.waitForFunction(`document.querySelectorAll('.net g[data-n]').length > ${before}`);
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
  const browser = await browserOf(t);
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
  const browser = await browserOf(t);
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
