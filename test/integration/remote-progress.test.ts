/** The progress of fetches ends at the totals that it announced, and what is called resumed was there before. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { clone } from '../../lib/use/ops/clone.js';
import { fetch } from '../../lib/use/ops/fetch.js';
import type { ProgressSink } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { largeTensors, pushed, step } from '../helpers/remotes.js';
import { serveFolder } from '../helpers/web-server.js';

interface Phase {
  label: string;
  total: number;
  done: number;
}

function recorder(onAdvance: (phase: Phase) => void = () => {}) {
  const phases: Phase[] = [];
  const progress: ProgressSink = {
    start: (label, total) => void phases.push({ label, total, done: 0 }),
    advance(amount) {
      const last = phases.at(-1);
      if (last === undefined) return;
      last.done += amount;
      onAdvance(last);
    },
    finish: () => {},
  };
  return { phases, progress };
}

test('progress: fetching and checking end exactly at their totals', async (t) => {
  const { repo, top, url } = await pushed(t);
  let tensors = await step(repo, largeTensors(3), 1);
  await repo.json('push');
  const first = recorder();
  const context = { cwd: top, progress: first.progress, warn: () => {} };
  const cloned = await clone(context, { url, dir: 'copy' });
  const ended = first.phases.filter(({ label }) => /^(fetching|checking what)/.test(label));
  t.is(ended.length, 2);
  for (const { label, total, done } of ended) t.is(done, total, label);
  t.is(cloned.resumedBytes, 0);
  t.is(ended[0]?.total, cloned.bytes);

  // Deltas whose bases are here already: these are decoded, and are no part of what arrived.
  for (let seed = 5; seed < 8; seed++) tensors = await step(repo, tensors, seed);
  await repo.json('push');
  const copy = await Repository.open(path.join(top, 'copy'), { warn: () => {} });
  t.teardown(() => copy.close());
  const second = recorder();
  const [fetched] = await fetch(copy, {}, { cwd: top, progress: second.progress, warn: () => {} });
  for (const { label, total, done } of second.phases) {
    if (/^(fetching|checking what)/.test(label)) t.is(done, total, label);
  }
  t.is(fetched?.resumedBytes, 0);
});

test('progress: what is left out is no part of it, and blocks around records do not exceed it', async (t) => {
  const { repo, top, url } = await pushed(t);
  let tensors = largeTensors(9);
  for (let seed = 1; seed < 4; seed++) tensors = await step(repo, tensors, seed);
  await repo.json('push');
  const server = await serveFolder(t, path.dirname(url));
  for (const [dir, noRanges] of [
    ['ranges', false],
    ['whole', true],
  ] as const) {
    server.noRanges = noRanges;
    const clones = recorder();
    const context = { cwd: top, progress: clones.progress, warn: () => {} };
    const address = `${server.url}/${path.basename(url)}`;
    await clone(context, { url: address, dir, planes: 2 });
    const fetches = recorder();
    const copy = await Repository.open(path.join(top, dir), { warn: () => {} });
    t.teardown(() => copy.close());
    await fetch(copy, { planes: 'all' }, { cwd: top, progress: fetches.progress, warn: () => {} });
    const ended = [...clones.phases, ...fetches.phases].filter(
      ({ label, total }) => label.startsWith('fetching from') && total > 0,
    );
    t.true(ended.length >= 2);
    for (const { label, total, done } of ended) t.is(done, total, `${dir} ${label}`);
  }
});

test('progress: bytes of an earlier run are called resumed, and each of them once', async (t) => {
  const { repo, top, url } = await pushed(t);
  let tensors = largeTensors(9);
  for (let seed = 1; seed < 4; seed++) tensors = await step(repo, tensors, seed);
  await repo.json('push');
  const stop = new AbortController();
  const first = recorder(({ label, done }) => {
    if (label.startsWith('fetching') && done > 100_000) stop.abort();
  });
  const context = { cwd: top, progress: first.progress, warn: () => {}, signal: stop.signal };
  await t.throwsAsync(clone(context, { url, dir: 'copy' }), { code: 'DLV_ABORTED' });
  const arrived = path.join(top, 'copy', '.dlv', 'incoming');
  let kept = 0;
  for (const entry of await fs.readdir(arrived, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.have')) continue;
    const text = await fs.readFile(path.join(entry.parentPath, entry.name), 'utf8');
    for (const line of text.trim().split('\n')) {
      const [start, end] = line.split(' ').map(Number);
      kept += (end as number) - (start as number);
    }
  }
  t.true(kept > 0);
  const second = recorder();
  const done = await clone(
    { cwd: top, progress: second.progress, warn: () => {} },
    { url, dir: 'copy' },
  );
  t.is(done.resumedBytes, kept);
  t.is(second.phases.find(({ label }) => label.startsWith('fetching'))?.done, done.bytes);
});
