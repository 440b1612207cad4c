/** The page of dlv ui as tests go through it: a repository all of whose texts are attacks, and a browser that was let in. */
import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { Layout } from '../../lib/storage/repo/layout.js';
import { appendRows } from '../../lib/storage/repo/runs/run-metrics.js';
import { writeRun } from '../../lib/storage/repo/runs/run-record.js';
import { findChromium, launch, serveUi } from './chromium.js';
import { linearNetwork } from './linear-network.js';
import { TestRepository } from './repository.js';
import { runRecord } from './run-record.js';
import { nudge, randomTensors, safetensors } from './safetensors.js';

const program = findChromium();
/** A test that needs a browser; without one it says so. */
export const walk = program === null ? skipped : test;

function skipped(title: string): void {
  test(title, (t) => {
    t.log(
      'SKIPPED: no Chromium here, the page is NOT tested; install one or name it in DLV_CHROMIUM',
    );
    t.pass();
  });
}

/** A browser that ends with the test. */
export async function browserOf(t: ExecutionContext): Promise<Browser> {
  const browser = await launch(program as string);
  t.teardown(() => browser.close());
  return browser;
}

export const ATTACK = `</script></title><img src=x onerror="window.hurt=1">"'\u202e&lt;javascript:window.hurt=1//`;

/** The run of the repository. */
export const RUN = '0123456789';
export const HANDLER = "' onmouseover='window.hurt=1";

/** Three versions, a run and a branch all of whose texts are attacks. */
export async function hostile(t: ExecutionContext): Promise<TestRepository> {
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

/** Goes to a view and waits until all of it is there. */
export async function visit(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.waitForSelector('main h1, main .banner');
  await page.waitForSelector('[aria-busy=true]', { state: 'detached' });
}

/** A page that was let in, and what went wrong in it. */
export async function opened(
  t: ExecutionContext,
  context: BrowserContext,
  address: string,
): Promise<{ page: Page; wrong: string[] }> {
  const page = await context.newPage();
  // As Chromium says it where the locale of the system is C.
  await page.addInitScript(
    "Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix' })",
  );
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

/** A page of `dlv ui` in a repository of hostile names. */
export async function openedHostile(
  t: ExecutionContext,
): Promise<{ repo: TestRepository; address: string; browser: Browser; page: Page }> {
  const repo = await hostile(t);
  const address = await serveUi(t, repo.dir);
  const browser = await browserOf(t);
  const { page } = await opened(t, await browser.newContext(), address);
  return { repo, address, browser, page };
}
