/** `dlv archive`: whether a plan is worth it, and what it asks before the repository grows. */
import test from 'ava';
import { worthLine } from '../../lib/cli/output/archive-report.js';
import type { ArchiveResult } from '../../lib/use/ops/archive.js';
import { threeVersions } from '../helpers/repository.js';

test('archive: a plan that grows the repository says so, and wants --yes', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('archive', '--budget', 'none', '--all', '--yes');
  const before = await repo.json<{ liveBytes: number }>('du');
  const dry = await repo.dlv('archive', '--budget', '1', '--dry-run');
  t.regex(
    dry.stdout,
    /would make the repository grow by .* and the slowest version .* faster to read/,
  );
  const refused = await repo.fails(2, 'archive', '--budget', '1');
  t.regex(refused.message, /would make the repository grow by .*: nothing was changed/);
  t.is((await repo.json<{ liveBytes: number }>('du')).liveBytes, before.liveBytes);
  const done = await repo.json<ArchiveResult>('archive', '--budget', '1', '--yes');
  t.like(done, { done: true, verdict: 'grows', isDefaultBudget: false });
  t.true(done.savedBytes < 0);
  t.is(done.storedBytesBefore - done.storedBytes, done.savedBytes);
  t.is((await repo.dlv('fsck', '--files')).code, 0);
});

test('archive: without a budget only what is worth it is done; one line for each model', async (t) => {
  const { repo } = await threeVersions(t);
  const { stdout } = await repo.dlv('archive', '--dry-run');
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.length, 3, stdout);
  t.regex(lines[0] ?? '', /^budget: 2 times the least read \(the default\)/);
  t.regex(lines[1] ?? '', /^net: 3 versions; net@\d reads most, /);
  t.notRegex(stdout, /extent|delta|plane|pack/);
  const result = await repo.json<ArchiveResult>('archive');
  const isGood = result.verdict === 'worth' || result.verdict === 'nothing';
  t.is(result.done, isGood, result.verdict);
  t.true(result.isDefaultBudget);
});

test('archive: says what replaced files take in trash, and that little was saved because it was asked for', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('config', 'gc.graceDays', '3');
  await repo.json('archive', '--budget', 'none', '--all', '--yes');
  const { stdout, stderr } = await repo.dlv('archive', '--budget', '1', '--yes');
  const [, said] =
    /replaced files take (.+) in trash: 'dlv gc' deletes them after 3 days/.exec(stderr) ?? [];
  t.truthy(said, stderr);
  t.notRegex(stdout, /hardly/);
  const plan = { savedBytes: 1, savedShare: 0.001, slowestBefore: 9, slowestPlanned: 9 };
  const hardly = { ...plan, verdict: 'hardly' as const };
  t.regex(worthLine(hardly, { done: true }), /hardly worth it, done because it was asked for$/);
  t.regex(worthLine(hardly, { done: false }), /hardly worth it$/);
});

test('archive: versions with the same files are one row', async (t) => {
  const { repo } = await threeVersions(t);
  for (const message of ['again', 'and again']) {
    await repo.json('commit', '--allow-empty', '-m', message);
  }
  const { stdout } = await repo.dlv('archive', '--dry-run', '--verbose', '--budget', '2');
  t.is(stdout.match(/model\.safetensors/g)?.length, 3, stdout);
  t.regex(stdout, /net@3 and 2 more/);
});

test('archive: what was promised before is said beside its budget, not as its least', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('archive', '--budget', '4', '--all', '--yes');
  const again = await repo.dlv('archive', '--budget', '4', '--dry-run');
  t.notRegex(again.stdout, /× its least|nothing to do/);
  t.regex(again.stdout, /net@\d reads most, .* \(promised before: at most [\d.,]+ \w+\)/);
  t.regex(again.stdout, /'dlv archive --all' plans it again/);
  const kept = await repo.json<ArchiveResult>('archive', '--budget', '4', '--dry-run');
  t.true(kept.snapshots.every((row) => row.kept && row.planned <= (row.budget ?? Infinity)));
  const all = await repo.json<ArchiveResult>('archive', '--budget', '4', '--dry-run', '--all');
  t.true(all.snapshots.every((row) => !row.kept));
  t.regex((await repo.dlv('archive', '--budget', '4', '--dry-run', '--all')).stdout, /× its least/);
});
