/** Kept calibrations: the tests that take long. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { seal, unseal } from '../../lib/base/bytes/sealed.js';
import { calibrate, machineName } from '../../lib/storage/archive/calibrate.js';
import { LIMIT, steadyClock } from '../helpers/steady-clock.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

test('calibration: what was measured is kept, and measured anew if it is damaged or of another machine', async (t) => {
  const work = await WorkRepository.make(t);
  const file = work.file('.dlv/catalog/calibration');
  await work.open(async (repo) => {
    const first = await calibrate(repo, { ...LIMIT, clock: steadyClock() });
    t.is(first.source, 'measured');
    const again = await calibrate(repo, { ...LIMIT, clock: steadyClock() });
    t.is(again.source, 'kept');
    t.deepEqual(again.table, first.table);
    t.is(
      (await calibrate(repo, { ...LIMIT, clock: steadyClock(), anew: true })).source,
      'measured',
    );

    const text = unseal(await fs.readFile(file), file);
    t.true(text.includes(JSON.stringify(machineName())));
    const spoiled: (string | Buffer)[] = [
      text.replace('{', '['),
      seal(text.replace(process.version, 'v0.0.0')) as Buffer,
      seal(text.replace(/"readNs":[^,]*/, '"readNs":-1')) as Buffer,
      seal(text.replace(/"readNs":[^,]*/, '"readNs":1e99')) as Buffer,
      seal(text.replace('"format":1', '"format":2')) as Buffer,
      seal('no json\n') as Buffer,
      '',
    ];
    for (const content of spoiled) {
      await fs.writeFile(file, content);
      t.is((await calibrate(repo, { ...LIMIT, clock: steadyClock() })).source, 'measured');
      t.is((await calibrate(repo, LIMIT)).source, 'kept');
    }
    await fs.rm(path.dirname(file), { recursive: true });
    t.is((await calibrate(repo, { ...LIMIT, clock: steadyClock() })).source, 'measured');
  });
  t.deepEqual(await fs.readdir(work.file('.dlv/tmp')), [], 'no scratch file is left');
});
