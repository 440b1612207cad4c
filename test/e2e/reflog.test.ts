/** `dlv reflog`, and what is said of versions that gc has dropped. */
import test from 'ava';
import type { BranchChange } from '../../lib/use/ops/branch.js';
import type { GcOpResult } from '../../lib/use/ops/gc.js';
import type { ReflogLine } from '../../lib/use/ops/reflog.js';
import { threeVersions } from '../helpers/repository.js';

test('reflog: every line is a revision that leads where it says', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('reset', '--hard', 'HEAD~2');
  await repo.json('switch', '-c', 'side');
  const lines = await repo.json<ReflogLine[]>('reflog');
  t.regex(lines[0]?.reason ?? '', /side/);
  t.true(lines.length >= 4);
  for (const { name, version, here } of lines) {
    t.true(here);
    const shown = await repo.json<{ version: string }>('show', name as string);
    t.is(shown.version, version as string);
  }
  const main = await repo.json<ReflogLine[]>('reflog', 'net/main');
  t.deepEqual(
    main.map(({ version }) => version),
    [0, 2, 1, 0].map((i) => versions[i]?.version),
  );
  t.is((await repo.json<ReflogLine[]>('reflog', '-n', '1')).length, 1);
  t.is((await repo.fails(1, 'reflog', versions[0]?.version ?? '')).code, 'DLV_NOT_FOUND');
});

test('reflog --deleted: a deleted branch comes back where it was', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('branch', 'side', 'net@2');
  await repo.json('branch', '-d', 'side');
  const [last] = await repo.json<ReflogLine[]>('reflog', '--deleted');
  t.like(last, { name: 'net/side', version: null, before: versions[1]?.version, here: true });
  const shown = await repo.fails(1, 'show', 'side');
  t.regex(shown.message, /the branch 'net\/side' was deleted on/);
  t.true(shown.data.hint?.includes(`'dlv branch net/side ${versions[1]?.version}' brings it back`));
  const { data } = await repo.fails(1, 'switch', 'side');
  t.regex(data.hint ?? '', /'dlv branch net\/side [0-9a-f]{10}' brings it back/);
  const back = await repo.json<BranchChange>('branch', 'side', last?.before ?? '');
  t.is(back.version, versions[1]!.version);
});

test('gc says what it keeps, until when, and what frees it', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('reset', '--hard', 'HEAD~1');
  const [kept, ...more] = (await repo.json<GcOpResult>('gc')).kept;
  t.deepEqual(more, []);
  t.like(kept, { why: 'reflog', versions: 1, command: 'dlv gc --prune=now' });
  const days = (Date.parse(kept?.until ?? '') - Date.now()) / 86_400_000;
  t.true(days > 13.9 && days <= 14);
  const pruned = await repo.json<GcOpResult>('gc', '--prune=now');
  t.is(pruned.droppedBytes, kept!.bytes);
  t.deepEqual(pruned.kept, []);
  await repo.write('later.txt', 'staged, then not');
  await repo.json('add', 'later.txt');
  await repo.json('reset');
  const [young] = (await repo.json<GcOpResult>('gc')).kept;
  t.like(young, { why: 'young', versions: null });
  t.is((await repo.json<GcOpResult>('gc', '--prune=now')).droppedBytes, young!.bytes);
});

test('a version that gc dropped is told from damage', async (t) => {
  const { repo, versions } = await threeVersions(t);
  const lost = versions[2]?.version ?? '';
  await repo.json('reset', '--hard', 'HEAD~1');
  await repo.json('gc', '--prune=now');
  for (const revision of ['HEAD@{1}', 'net/main@{1}', lost, lost.slice(0, 8), `${lost}~1`]) {
    for (const verb of ['log', 'show', 'checkout', 'diff']) {
      const { code, message } = await repo.fails(1, verb, revision);
      t.is(code, 'DLV_NOT_FOUND', `${verb} ${revision}`);
      t.regex(message, /was dropped by gc on \d{4}-\d\d-\d\d/, `${verb} ${revision}`);
    }
  }
  const lines = await repo.json<ReflogLine[]>('reflog');
  t.deepEqual(
    lines.map(({ version, here }) => [version, here]),
    [
      [versions[1]?.version, true],
      [lost, false],
      [versions[1]?.version, true],
      [versions[0]?.version, true],
    ],
  );
  t.regex((await repo.dlv('reflog')).stdout, /\[dropped by gc\]/);
  t.is((await repo.dlv('fsck')).code, 0);
});
