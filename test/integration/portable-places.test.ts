/** Goal: `add` warns about names of other systems, and a system that cannot create one places nothing. */
import test from 'ava';
import { ConflictError } from '../../lib/base/errors.js';
import { checkPlaceable } from '../../lib/use/checkout/portable-places.js';
import { TestRepository } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

test('portable places: add warns once about what Windows and macOS cannot hold', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('aux.bin', 'x');
  await repo.write('net.bin', 'x');
  await repo.write('NET.bin', 'y');
  const first = await repo.json<{ warnings: string[] }>('add', '.');
  t.is(first.warnings.length, 2, first.warnings.join());
  t.regex(first.warnings.join(), /'aux.bin' cannot be checked out on Windows/);
  t.regex(first.warnings.join(), /'NET.bin' and 'net.bin' are one file on Windows and macOS/);
  await repo.write('aux.bin', 'changed');
  t.deepEqual((await repo.json<{ warnings: string[] }>('add', '.')).warnings, []);
});

test('portable places: a system refuses what it cannot create, before anything is written', async (t) => {
  const folder = await tempDir(t);
  await t.notThrowsAsync(checkPlaceable(folder, ['aux.bin', 'a:b'], 'linux'));
  const error = await t.throwsAsync(checkPlaceable(folder, ['ok', 'aux.bin'], 'win32'), {
    instanceOf: ConflictError,
  });
  t.regex(error.message, /cannot create 'aux.bin' here/);
});
