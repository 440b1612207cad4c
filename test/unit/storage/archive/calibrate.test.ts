/**
 * Goal: predicted times follow a table that is kept for the machine it was measured on and never
 * trusted otherwise; nothing about it depends on the clock that a test gives.
 */
import fs from 'node:fs/promises';
import test from 'ava';
import {
  Calibration,
  calibrate,
  DEFAULT_TABLE,
  fitRate,
} from '../../../../lib/storage/archive/calibrate.js';
import { LIMIT, steadyClock } from '../../../helpers/steady-clock.js';
import { WorkRepository } from '../objects/work-repository.js';

test('calibration: a prediction is the sum of records, bytes and elements', (t) => {
  const { table } = new Calibration(DEFAULT_TABLE, 'default');
  const model = new Calibration(table, 'default');
  const work = { bytesRead: 1000, elements: 500, width: 4, kind: 'delta' } as const;
  const { byteNs, elementNs } = table.rates.delta[4];
  const expected = table.recordNs + 1000 * (table.readNs + byteNs) + 500 * elementNs;
  t.is(model.predictMs(work), expected / 1e6);
  const edge = { bytes: 1000, elements: 500, width: 4, segments: 1, isDelta: true };
  t.is(model.edgeMs(edge), expected / 1e6);
  t.true(model.predictMs({ ...work, planes: 2 }) < expected / 1e6);
  t.is(model.predictMs({ ...work, planes: 9 }), expected / 1e6);
  for (const width of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const ms = model.predictMs({ ...work, width, elements: 1 << 20 });
    t.true(ms > 0 && ms < 1000);
  }
  t.true(model.predictMs({ ...work, records: 3 }) > 3 * (table.recordNs / 1e6));
});

test('calibration: a line through exact times is found, rates are never negative', (t) => {
  const sample = (bytes: number, elements: number, ms: number) =>
    ({ width: 4, kind: 'alone', bytes, elements, ms }) as const;
  const exact = [sample(1e6, 1e6, 5), sample(3e6, 1e6, 9), sample(2e6, 2e6, 10)];
  const { byteNs, elementNs } = fitRate(exact);
  t.true(Math.abs(byteNs - 2) < 1e-9 && Math.abs(elementNs - 3) < 1e-9);
  const falling = fitRate([sample(1e6, 1e6, 5), sample(3e6, 1e6, 1)]);
  t.is(falling.byteNs, 0);
  t.true(falling.elementNs > 0);
  t.is(fitRate([sample(2e6, 1e6, 4), sample(4e6, 2e6, 8)]).byteNs, 0);
});

test('calibration: a repository that cannot be written to is measured all the same', async (t) => {
  const work = await WorkRepository.make(t);
  await fs.writeFile(work.file('.dlv/catalog'), 'a file where the folder would be');
  await fs.rm(work.file('.dlv/tmp'), { recursive: true });
  await fs.writeFile(work.file('.dlv/tmp'), '');
  const repo = await work.open(async (open) => {
    const found = await calibrate(open, { ...LIMIT, clock: steadyClock() });
    t.is(found.source, 'measured');
    t.is(found.table.readNs, DEFAULT_TABLE.readNs);
    return open;
  });
  t.is((await fs.stat(repo.layout.catalog)).isFile(), true);
});
