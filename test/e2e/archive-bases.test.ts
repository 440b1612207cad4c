/** `dlv archive` and extents that no version wants: they stand under others until a plan does without. */
import fs from 'node:fs/promises';
import test from 'ava';
import { sha256Hex } from '../../lib/base/bytes/hash.js';
import { surveyRepository } from '../../lib/storage/archive/survey.js';
import { checkRepository } from '../../lib/storage/fsck/fsck.js';
import { archive } from '../../lib/use/ops/archive.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { Repository } from '../../lib/use/repository.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';

const SHAPES = { 'a.weight': [128, 128], 'b.weight': [64, 128], 'c.weight': [32, 128] };

test('archive: what only stands under others is given up where they can do without', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(randomTensors(SHAPES, 1)));
  await repo.commit('first');
  await repo.json('switch', '-c', 'other');
  const first = randomTensors(SHAPES, 50);
  const second = nudge(first, 1e-3, 51);
  await repo.write('model.safetensors', safetensors(first));
  await repo.commit('to be forgotten');
  await repo.json('switch', '-c', 'kept', 'net/main');
  const bytes = safetensors(second);
  await repo.write('model.safetensors', bytes);
  const { version } = await repo.json<{ version: string }>('commit', '-a', '-m', 'to be kept');
  await repo.json('branch', '-D', 'other');
  await fs.rm(repo.file('.dlv/logs'), { recursive: true, force: true });
  const forget = async (): Promise<number> => {
    await repo.json('gc', '--prune=now');
    const survey = await repo.with((open) => surveyRepository(open));
    t.is(survey.extents.filter(({ isWanted }) => !isWanted).length, expected);
    return survey.extents.reduce((sum, { live }) => sum + live.bytes, 0);
  };
  let expected = Object.keys(SHAPES).length;
  const before = await forget();
  const result = await repo.with((open) => archive(open, { budgets: [4] }, repo.context));
  t.true(result.within);
  t.true(result.lowerBound <= result.storedBytes && result.storedBytes < 0.8 * before);
  expected = 0;
  const after = await forget();
  t.true(Math.abs(after - result.storedBytes) <= 64 * result.extents, `${after}`);
  await repo.with((open) => checkout(open, { revision: version, force: true }, repo.context));
  t.is(sha256Hex(await repo.read('model.safetensors')), sha256Hex(bytes));
  const { problems } = await repo.with((open) =>
    checkRepository(open.layout, { open: Repository.openForRepair }),
  );
  t.deepEqual(problems, []);
});
