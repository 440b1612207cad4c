/** `gc --remote` where clocks differ: of whoever collects, and of the remote. What readers may need stays. */
import path from 'node:path';
import test from 'ava';
import type { GcRemoteResult } from '../../lib/use/ops/gc-remote.js';
import { MINUTE, sound, withGarbage } from '../helpers/collection.js';
import { dlvJson } from '../helpers/dlv.js';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { cloned, largeTensors, step } from '../helpers/remotes.js';
import { type TestRepository, threeVersions } from '../helpers/repository.js';

const CLOCK = path.join(PROJECT_ROOT, 'dist', 'test', 'helpers', 'shift-clock.js');
const HOURS = [-1, 1];

/** Collects in a process whose clock is some hours ahead. */
function collect(repo: TestRepository, hours: number): Promise<GcRemoteResult> {
  const env = { NODE_OPTIONS: `--import=${CLOCK}`, DLV_TEST_CLOCK_MS: `${hours * 60 * MINUTE}` };
  return dlvJson(['gc', '--remote', 'origin', '--prune=now'], { cwd: repo.dir, env });
}

for (const hours of HOURS) {
  test(`clocks: one ${hours} h off neither marks nor removes by itself, at a bucket`, async (t) => {
    const { repo, top, url, packs, later, server } = await withGarbage(t);
    server.checksTime = true;
    const before = packs().length;
    // The one who marks is off, and the one who removes is not.
    const marked = await collect(repo, hours);
    t.true(marked.waitingBytes > 100_000);
    const until = Date.parse(marked.until ?? '') - Date.now();
    t.true(until > 13 * MINUTE && until <= 16 * MINUTE, `${until}`);
    t.is((await collect(repo, 0)).removedBytes, 0);
    // The other way round, ten minutes later.
    later(10);
    t.is((await collect(repo, hours)).removedBytes, 0);
    t.is(packs().length, before);
    // When the time has come, a wrong clock hinders nobody.
    later(6);
    t.true((await collect(repo, hours)).removedBytes >= marked.waitingBytes);
    const { repo: copy } = await cloned(top, url, 'copy');
    t.deepEqual(await sound(copy), []);
  });

  test(`clocks: one ${hours} h off neither marks nor removes by itself, in a folder`, async (t) => {
    const { repo } = await threeVersions(t);
    await repo.json('remote', 'add', 'origin', path.join(path.dirname(repo.dir), 'team.dlv'));
    await repo.json('push');
    await repo.json('switch', '-c', 'wide');
    await step(repo, largeTensors(5), 1);
    await repo.json('push', 'origin', 'wide');
    await repo.json('push', 'origin', '--delete', 'wide');
    const marked = await collect(repo, hours);
    t.true(marked.waitingBytes > 100_000);
    const until = Date.parse(marked.until ?? '') - Date.now();
    t.true(until > 13 * MINUTE && until <= 16 * MINUTE, `${until}`);
    t.is((await collect(repo, 0)).removedBytes, 0);
    const last = await collect(repo, hours);
    t.is(last.removedBytes, 0);
    t.is(last.waitingBytes, marked.waitingBytes);
  });
}

test('clocks: a bucket that does not say what time it is there is not collected', async (t) => {
  const { repo, packs, server } = await withGarbage(t);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  const before = packs().length;
  server.misbehave = (_request, response) => {
    response.sendDate = false;
    response.setHeader = () => response;
    return false;
  };
  const refused = await repo.dlv('gc', '--remote', 'origin', '--prune=now');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /does not say what time it is there/);
  t.is(packs().length, before);
});

test('collection: garbage counts from when it is listed no more, however long was looked and written', async (t) => {
  const { repo, packs, later, server } = await withGarbage(t);
  const before = packs().length;
  // An hour goes by between the survey and the swap.
  let ran = 0;
  server.misbehave = (request) => {
    const isLists = request.method === 'GET' && request.url?.includes('prefix=net%2Flists');
    if (isLists && ran++ === 0) later(60);
    return false;
  };
  const marked = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.true(ran > 0);
  t.true(marked.waitingBytes > 100_000);
  later(10);
  const early = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.is(early.removedBytes, 0);
  t.is(packs().length, before);
});

test('collection: garbage that was pushed again and given up again waits anew', async (t) => {
  const { repo, packs, later } = await withGarbage(t);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  const before = packs().length;
  later(60);
  await repo.json('push', 'origin', 'wide');
  await repo.json('push', 'origin', '--delete', 'wide');
  // A reader has seen it listed right before this.
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  later(10);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  t.is(packs().length, before);
  later(6);
  const last = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.true(last.removedBytes > 100_000);
});
