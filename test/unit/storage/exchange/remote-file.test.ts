/** The file `remote`: one form for each state, and nothing else is read. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { sha256Hex } from '../../../../lib/base/bytes/hash.js';
import { seal, unseal } from '../../../../lib/base/bytes/sealed.js';
import { isDamage } from '../../../../lib/base/errors.js';
import {
  decodeGarbage,
  encodeGarbage,
} from '../../../../lib/storage/exchange/collect/garbage-file.js';
import {
  decodeList,
  decodeRemote,
  encodeList,
  encodeRemote,
  type ListLine,
  type RemoteState,
} from '../../../../lib/storage/exchange/remote/remote-file.js';
import type { SetId } from '../../../../lib/storage/store/types.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

const A = '56c414110a938f9cdfae0f9708d6e84ac7a376f27a564ae0ccdc98c144c82530' as Id;
const NOTE = '94999a9755df5e12e1bb50924507869cecf60cb5f666ea25117440d11956e849' as Id;
const SET = '97eebec1ea0aa3a524758c1aeac86a00' as SetId;

const LINES: ListLine[] = [
  { kind: 'set', info: { id: SET, bytes: { blob: 158, hi: 119, mid: 0, low: 0, idx: 388 } } },
  { kind: 'note', version: A, note: NOTE },
];

const STATE: RemoteState = {
  generation: 3,
  writer: '00112233445566778899aabbccddeeff',
  head: { model: 'mnist', branch: 'main' },
  numbers: new Map([['mnist', { highest: 2, shared: 0 }]]),
  refs: new Map([
    ['refs/heads/mnist/main', A],
    ['refs/tags/paper', A],
  ]),
  lists: [],
  collection: null,
  lines: LINES,
};

test('remote: a state is read back as it was written, with lists and without a head', (t) => {
  t.deepEqual(decodeRemote(encodeRemote(STATE), 'remote'), STATE);
  const other: RemoteState = {
    ...STATE,
    head: null,
    numbers: new Map(),
    refs: new Map(),
    lists: [{ sha256: 'ab'.repeat(32), lines: 128, bytes: 12_000 }],
    lines: [],
  };
  t.deepEqual(decodeRemote(encodeRemote(other), 'remote'), other);
  const part = { sha256: 'cd'.repeat(32), lines: 2, bytes: 200 };
  for (const collection of [
    { collected: 7, garbage: [part], removing: [part, part] },
    { collected: 0, garbage: [], removing: [] },
  ]) {
    const collected = { ...other, collection, lines: LINES };
    t.deepEqual(decodeRemote(encodeRemote(collected), 'remote'), collected);
  }
});

test('remote: every flipped byte is found', (t) => {
  const bytes = encodeRemote(STATE);
  for (let i = 0; i < bytes.length; i++) {
    const copy = new Uint8Array(bytes);
    copy[i] = (copy[i] as number) ^ 0x04;
    const error = t.throws(() => decodeRemote(copy, 'remote'));
    t.true(
      isDamage(error) || (error as { code?: string }).code === 'DLV_FORMAT_VERSION',
      `at ${i}`,
    );
  }
});

test('remote: sealed text of another form is refused', (t) => {
  const text = unseal(encodeRemote(STATE), 'remote');
  const bad: [string, string][] = [
    ['an unknown line', text.replace('ref ', 'more x y\nref ')],
    ['lines in another order', text.replace(/(ref .*\n)(ref .*\n)/, '$2$1')],
    ['a ref outside of heads and tags', text.replace('refs/tags/paper', 'refs/notes/paper')],
    ['a ref that leads out', text.replace('refs/tags/paper', 'refs/tags/../../x')],
    [
      'a ref that is the folder of another',
      text.replace('refs/tags/paper', 'refs/heads/mnist/main/x'),
    ],
    ['a set that is none', text.replace(SET, '../../../../../../etc/passwd00000')],
    ['a size beyond all disks', text.replace('158 119', '158 999999999999999')],
    ['a number with zeros', text.replace('158 119', '0158 119')],
    ['a head that is no branch', text.replace('head mnist/main', 'head mnist')],
    ['numbers out of range', text.replace('number 2 0', 'number 2 9')],
    ['a writer in capitals', text.replace('aabbcc', 'AABBCC')],
    ['a ref that stands twice', text.replace(/(ref .*\n)/, '$1$1')],
  ];
  for (const [what, changed] of bad) {
    t.not(changed, text, what);
    t.throws(() => decodeRemote(seal(changed), 'remote'), { code: 'DLV_CORRUPT' }, what);
  }
  const newer = text.replace('dlv remote 1', 'dlv remote 3');
  t.throws(() => decodeRemote(seal(newer), 'remote'), { code: 'DLV_FORMAT_VERSION' });
});

test('remote: a list is known by its bytes', (t) => {
  const bytes = encodeList(LINES);
  const part = { sha256: sha256Hex(bytes), lines: 2, bytes: bytes.length };
  t.deepEqual(decodeList(bytes, part, 'list'), LINES);
  const other = encodeList(LINES.slice(1));
  t.throws(() => decodeList(other, part, 'list'), { code: 'DLV_CORRUPT' });
  const wrong = { ...part, lines: 3 };
  t.throws(() => decodeList(bytes, wrong, 'list'), { code: 'DLV_CORRUPT' });
});

test('remote: the example of its page is the state of these tests', async (t) => {
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs/format/remote.md'), 'utf8');
  const example = /```text\n(dlv remote 1\n[\s\S]*?)```/.exec(page)?.[1];
  t.is(Buffer.from(encodeRemote(STATE)).toString(), example as string);
});

test('garbage: names are those of packs and lists alone, under the name of their bytes', (t) => {
  const entries = [
    { name: `lists/${'ab'.repeat(32)}`, since: 1_700_000_000 },
    { name: `packs/${SET}`, since: 0 },
  ];
  const bytes = encodeGarbage(entries);
  const part = { sha256: sha256Hex(bytes), lines: 2, bytes: bytes.length };
  t.deepEqual(decodeGarbage(bytes, part, 'g'), entries);
  t.true(isDamage(t.throws(() => decodeGarbage(bytes, { ...part, lines: 3 }, 'g'))));
  t.true(isDamage(t.throws(() => decodeGarbage(bytes, { ...part, sha256: NOTE }, 'g'))));
  for (const name of [
    'remote',
    'packs/../remote',
    '../x',
    'packs/',
    `packs/${SET}/x`,
    `lists/${SET}`,
  ]) {
    const bad = encodeGarbage([{ name, since: 1 }]);
    const known = { sha256: sha256Hex(bad), lines: 1, bytes: bad.length };
    t.true(isDamage(t.throws(() => decodeGarbage(bad, known, 'g'))), name);
  }
});
