/**
 * The page of dlv ui in a real browser, as a person goes through it: all views with hostile names in light, dark and
 * narrow, with axe; by keys alone; back; new versions that appear; nothing asked of another server.
 */
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { serveUi } from '../helpers/chromium.js';
import {
  ATTACK,
  browserOf,
  HANDLER,
  hostile,
  opened,
  openedHostile,
  RUN,
  visit,
  walk,
} from '../helpers/ui-page.js';

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

walk(
  'ui: every view with hostile names, light, dark and narrow, has no violation and runs nothing',
  async (t) => {
    t.timeout(600_000);
    const repo = await hostile(t);
    const address = await serveUi(t, repo.dir);
    const browser = await browserOf(t);
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
  const { page } = await openedHostile(t);
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
  const { repo, address, browser, page } = await openedHostile(t);
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
