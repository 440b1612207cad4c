/**
 * The page of dlv ui in a real browser, as a person goes through it: all views with hostile names in light, dark and
 * narrow, with axe; by keys alone; back; new versions that appear; nothing asked of another server.
 */
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import test, { type ExecutionContext } from 'ava';
import type { BrowserContext, Page } from 'playwright-core';
import { findChromium, launch, serveUi } from '../helpers/chromium.js';
import { linearNetwork } from '../helpers/linear-network.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';

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
  return repo;
}

const VIEWS = [
  '/',
  '/versions?sel=net@1,net@2',
  '/versions?where=rate+>+0.15&base=net@1&sort=-rate',
  '/versions?as=parallel',
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
