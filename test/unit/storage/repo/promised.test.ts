/** The record of promises: what is written is read back, and nothing else is. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { unseal } from '../../../../lib/base/bytes/sealed.js';
import {
  formatPromised,
  leavesOut,
  type PromisedOfRemote,
  parsePromised,
  thinSets,
  wholeFilter,
} from '../../../../lib/storage/repo/promised.js';
import type { SetId } from '../../../../lib/storage/store/types.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

const ID = '8d069fbade03004029f160ed64e29f2b' as SetId;

const FULL: PromisedOfRemote = {
  filter: { planes: 3, depth: 12, only: ['*.safetensors', 'a b/{x,y}\n%'], lines: ['net/main'] },
  sets: [{ id: ID, bytes: { blob: 1, hi: 2, mid: 0, low: 4, idx: 5 } }],
  thin: new Map([[ID, ['mid', 'low']]]),
};

test('promised: what is written is read back', (t) => {
  for (const one of [FULL, { filter: wholeFilter(), sets: [], thin: new Map() }]) {
    t.deepEqual(parsePromised(formatPromised(one), 'promised/x'), one);
  }
  t.true(leavesOut(FULL.filter));
  t.false(leavesOut({ ...wholeFilter(), lines: ['net'] }));
  t.deepEqual([...thinSets(new Map([['origin', FULL]]))], [[ID, ['mid', 'low']]]);
});

test('promised: every other text is refused', (t) => {
  const text = formatPromised(FULL);
  for (const [from, to] of [
    ['planes 3', 'planes 9'],
    ['planes 3', 'planes 03'],
    ['depth 12', 'depth 0'],
    ['promised 1', 'promised 2'],
    [`thin ${ID} mid low`, `thin ${ID} low mid`],
    [`thin ${ID} mid low`, `thin ${ID} hi`],
    [`thin ${ID}`, 'thin ../../etc/passwd'],
    [`set ${ID} 1 2`, `set ${ID} -1 2`],
    [`set ${ID} 1 2`, `set ${ID} 1e3 2`],
    ['line net', 'lines net'],
    ['only %2A', 'only *'],
  ] as const) {
    const changed = text.replace(from, to);
    if (changed === text) continue;
    t.throws(() => parsePromised(changed, 'promised/x'), { code: 'DLV_CORRUPT' }, to);
  }
  t.throws(() => parsePromised(`${text}more\n`, 'promised/x'), { code: 'DLV_CORRUPT' });
});

test('promised: the example of its page is sound', async (t) => {
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs/format/promised.md'), 'utf8');
  const [, example = ''] = /```text\n([\s\S]*?)```/.exec(page) ?? [];
  const promised = parsePromised(unseal(Buffer.from(example), 'example'), 'example');
  t.is(promised.filter.planes, 2);
  t.is(promised.thin.size, 1);
});
