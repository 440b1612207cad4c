/** What commands print for people: what matters, in their words, and each thing once. */
import test from 'ava';
import type { DuResult } from '../../lib/use/ops/du.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';

test('log, show: metrics in six digits; of several steps the last, with the extremes', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a', 'a');
  await repo.json('add', 'a');
  const metrics = ['acc=0.9212345678', 'loss@100=2.3456789', 'loss@200=0.25', 'loss@300=0.31'];
  metrics.push('f1@300=0.5', 'n=12345678');
  await repo.json('commit', '-m', 'one', ...metrics.flatMap((text) => ['--metric', text]));
  for (const verb of ['log', 'show']) {
    const { stdout } = await repo.dlv(verb);
    t.true(stdout.includes('Metrics: acc 0.921235, f1 0.5 at step 300, n 12345678\n'), stdout);
    const loss =
      '         loss 0.31 at step 300 (of 3 steps: least 0.25 at step 200, most 2.34568 at step 100)\n';
    t.true(stdout.includes(loss), stdout);
  }
  const [entry] = await repo.json<Record<string, unknown>[]>('log');
  t.deepEqual(entry?.metrics, { acc: 0.9212345678, f1: 0.5, loss: 0.31, n: 12345678 });
  t.like(entry?.metricSteps, {
    loss: {
      step: 300,
      count: 3,
      least: { step: 200, value: 0.25 },
      most: { step: 100, value: 2.3456789 },
    },
    f1: { step: 300, count: 1 },
  });
});

test('du: needs most first; freed is what nothing else needs, be it listed or not', async (t) => {
  const { repo } = await threeVersions(t);
  const all = await repo.json<DuResult>('du', '--versions', '--paths');
  for (const rows of [all.versions ?? [], all.paths ?? []]) {
    const needs = rows.map(({ storedBytes }) => storedBytes);
    t.deepEqual(
      needs,
      needs.toSorted((a, b) => b - a),
    );
  }
  const alone = await repo.json<DuResult>('du', 'net@1', '--versions');
  const listed = all.versions?.find(({ version }) => version === alone.versions?.[0]?.version);
  t.deepEqual(alone.versions?.[0], listed, 'what is not listed is needed all the same');
  t.true((alone.models[0]?.uniqueBytes ?? 0) < (alone.models[0]?.storedBytes ?? 0));
  await repo.json('copy', 'net@3', 'fresh');
  const { stdout } = await repo.dlv('du');
  t.regex(stdout, /^model +files +needs +freed if deleted\n/);
  t.notRegex(stdout, /%|pack|plane|blob/);
  t.regex((await repo.dlv('du', '--verbose')).stdout, /first planes/);
});

test('du: what is staged for a model is freed with the model, not with a version', async (t) => {
  const { repo } = await threeVersions(t);
  const before = await repo.json<DuResult>('du', '--versions');
  await repo.write('new.bin', Buffer.alloc(50_000, 'so it is'));
  await repo.json('add', 'new.bin');
  const after = await repo.json<DuResult>('du', '--versions');
  const [was, is] = [before.models[0], after.models[0]];
  t.true((is?.storedBytes ?? 0) > (was?.storedBytes ?? 0));
  t.is(is?.uniqueBytes, is?.storedBytes);
  t.deepEqual(after.versions, before.versions);
});

test('gc, fsck, show, add, commit: no word of packs, extents or planes unless asked', async (t) => {
  const { repo } = await threeVersions(t);
  const words = /pack|extent|plane|segment|blob|literal/;
  const commands = [['gc', '--dry-run'], ['gc'], ['fsck'], ['show', 'HEAD:model.safetensors']];
  commands.push(['status'], ['list'], ['log', '--stat'], ['commit', '--allow-empty', '-m', 'x']);
  for (const args of commands) {
    const { stdout, stderr, code } = await repo.dlv(...args);
    t.is(code, 0, stderr);
    t.notRegex(stdout + stderr, words, args.join(' '));
    t.notRegex(stdout + stderr, /\(–\)| 0 B|\d{3,} %/, args.join(' '));
  }
  for (const args of [['gc'], ['fsck'], ['show', 'HEAD:model.safetensors']]) {
    const { stdout, stderr } = await repo.dlv(...args, '--verbose');
    t.regex(stdout + stderr, words, args.join(' '));
  }
});

test('commit: a name that is given twice is refused, in a dry run too', async (t) => {
  const repo = await TestRepository.create(t);
  for (const twice of [
    ['--param', 'lr=1', '--param', 'lr=2'],
    ['--metric', 'loss@3=1', '--metric', 'loss@3=2'],
  ]) {
    for (const dry of [[], ['--dry-run']]) {
      const { message } = await repo.fails(
        2,
        'commit',
        '--allow-empty',
        '-m',
        'x',
        ...twice,
        ...dry,
      );
      t.regex(message, /'(lr|loss@3)' is given twice/);
    }
  }
  await repo.write('a', 'a');
  await repo.json('add', 'a');
  const steps = ['--metric', 'loss@1=1', '--metric', 'loss@2=2', '--metric', 'loss=3'];
  t.is((await repo.dlv('commit', '--allow-empty', '-m', 'x', ...steps)).code, 0);
});

test('mistakes: one clear error each', async (t) => {
  const repo = await TestRepository.create(t);
  const days = await repo.fails(1, 'config', 'gc.graceDays', '-3');
  t.regex(days.message, /'-3' of gc\.graceDays is not a number from 0 to \d+/);
  const message = await repo.fails(2, 'commit', '-am');
  t.is(message.data.hint, 'write it with its value: --message <text>');
  const tier = await repo.fails(2, 'archive', '--tier', 'foo');
  t.is(tier.message, "'foo' is not a tier");
});
