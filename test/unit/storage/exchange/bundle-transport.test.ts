/** A bundle as a remote that is only read: the suite, and what a file can say that is not so. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { seal } from '../../../../lib/base/bytes/sealed.js';
import {
  decodeBundleHead,
  encodeBundleHead,
  isObjectName,
} from '../../../../lib/storage/exchange/bundles/bundle-head.js';
import { BundleTransport } from '../../../../lib/storage/exchange/bundles/bundle-transport.js';
import { BundleWriter } from '../../../../lib/storage/exchange/bundles/bundle-writer.js';
import {
  bytesSource,
  type Transport,
} from '../../../../lib/storage/exchange/transports/transport.js';
import { transportSuite } from '../../../conformance/transport.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { buildZip, type ZipOptions, type ZipPart } from '../../../helpers/zip.js';

const STATE: readonly ZipPart[] = [
  { name: 'dlv-bundle', data: encodeBundleHead([]) },
  { name: 'format', data: Buffer.from('format') },
  { name: 'remote', data: Buffer.from('remote') },
];

/** A bundle that is written anew for each object that is put into it. */
async function growing(t: ExecutionContext) {
  const file = path.join(await tempDir(t), 'x.dlv');
  const objects = new Map<string, Uint8Array>();
  let open: BundleTransport | null = null;
  const now = async (): Promise<BundleTransport> => {
    const parts = [...objects].map(([name, data]) => ({ name, data }));
    const named = new Set(objects.keys());
    await fs.writeFile(file, buildZip([...STATE.filter(({ name }) => !named.has(name)), ...parts]));
    await open?.close();
    open = await BundleTransport.open(file);
    return open;
  };
  const traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
  const transport: Transport = {
    shown: file,
    traffic,
    isWritable: false,
    concurrency: 2,
    load: async (name, maxBytes) => (objects.has(name) ? (await now()).load(name, maxBytes) : null),
    read: async (...args) => {
      const one = await now();
      await one.read(...args);
      traffic.receivedBytes += one.traffic.receivedBytes;
    },
    store: async () => {},
    swap: async () => null,
    close: async () => open?.close(),
  };
  return {
    transport,
    put: async (name: string, bytes: Uint8Array) => void objects.set(name, bytes),
  };
}

transportSuite('bundle', growing);

const SET = 'a'.repeat(32);

async function opened(t: ExecutionContext, bytes: Uint8Array): Promise<void> {
  const file = path.join(await tempDir(t), 'x.dlv');
  await fs.writeFile(file, bytes);
  await (await BundleTransport.open(file)).close();
}

test('bundle: an archive of the objects of a remote is opened, also one with a comment', async (t) => {
  await t.notThrowsAsync(opened(t, buildZip(STATE)));
  await t.notThrowsAsync(opened(t, buildZip(STATE, { comment: 'of Monday' })));
  await t.notThrowsAsync(opened(t, buildZip(STATE, { zip64: true })));
  await t.notThrowsAsync(opened(t, buildZip(STATE.map((part) => ({ ...part, descriptor: true })))));
});

const LIES: Record<string, [parts: readonly ZipPart[], options?: ZipOptions]> = {
  'a path out of the folder': [[...STATE, { name: '../../etc/cron', data: Buffer.from('x') }]],
  'an absolute path': [[...STATE, { name: '/etc/passwd', data: Buffer.from('x') }]],
  'a folder': [[...STATE, { name: 'packs/', data: new Uint8Array(0) }]],
  'a pack of no id': [[...STATE, { name: 'packs/..hi', data: Buffer.from('x') }]],
  'a pack of no class': [[...STATE, { name: `packs/${SET}.lock`, data: Buffer.from('x') }]],
  'the lock of a remote': [[...STATE, { name: 'lock', data: Buffer.from('x') }]],
  'two entries of one name': [[...STATE, STATE[1]!]],
  'two first entries': [[...STATE, STATE[0]!]],
  'no format': [[STATE[0]!, STATE[2]!]],
  'no remote': [[STATE[0]!, STATE[1]!]],
  'a compressed entry': [
    [...STATE, { name: `packs/${SET}.hi`, data: Buffer.alloc(99), deflate: true }],
  ],
  'an encrypted entry': [[...STATE, { name: `packs/${SET}.hi`, data: Buffer.alloc(99), flags: 1 }]],
  'a size that the file does not have': [
    [
      ...STATE,
      {
        name: `packs/${SET}.hi`,
        data: Buffer.alloc(9),
        centralSize: 2 ** 31,
        centralCompressedSize: 2 ** 31,
      },
    ],
  ],
  'two sizes': [[...STATE, { name: `packs/${SET}.hi`, data: Buffer.alloc(9), localSize: 8 }]],
  'two names': [
    [...STATE, { name: `packs/${SET}.hi`, data: Buffer.alloc(9), localName: `packs/${SET}.lo` }],
  ],
  'entries that overlap': [
    [...STATE, { name: `packs/${SET}.hi`, data: Buffer.alloc(9), centralOffset: 0 }],
  ],
  'more entries than there are': [STATE, { entryCount: 4 }],
  'millions of entries': [STATE, { entryCount: 60_000 }],
  'a directory beyond the end': [STATE, { directoryOffset: 2 ** 31 }],
  'a directory that is too large': [STATE, { directoryBytes: 2 ** 31 }],
  'a first entry of another form': [
    [{ name: 'dlv-bundle', data: seal('dlv bundle one\n') }, ...STATE.slice(1)],
  ],
  'a first entry that is cut': [
    [{ name: 'dlv-bundle', data: encodeBundleHead([]).subarray(3) }, ...STATE.slice(1)],
  ],
};

for (const [what, [parts, options]] of Object.entries(LIES)) {
  test(`bundle: ${what} is refused, and the file named`, async (t) => {
    const error = await t.throwsAsync(opened(t, buildZip(parts, options)), { code: 'DLV_CORRUPT' });
    t.regex(error?.message ?? '', /x\.dlv/);
  });
}

test('bundle: other bytes before the archive are refused', async (t) => {
  const head = buildZip(STATE);
  await t.throwsAsync(opened(t, Buffer.concat([head, buildZip(STATE)])), { code: 'DLV_CORRUPT' });
  await t.throwsAsync(opened(t, Buffer.concat([Buffer.from('#!'), head])), { code: 'DLV_REMOTE' });
});

test('bundle: any other file says that it is none', async (t) => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('PK'),
    Buffer.from('{}'),
    buildZip(STATE.slice(1)),
  ]) {
    await t.throwsAsync(opened(t, bytes), { code: 'DLV_REMOTE', message: /not a bundle/ });
  }
});

test('bundle: what a newer dlv wrote is told from damage', async (t) => {
  const head = { name: 'dlv-bundle', data: seal('dlv bundle 2\nnew words\n') };
  await t.throwsAsync(opened(t, buildZip([head, ...STATE.slice(1)])), {
    code: 'DLV_FORMAT_VERSION',
  });
});

test('bundle: the first entry has one form', (t) => {
  const [a, b] = ['1'.repeat(64), '2'.repeat(64)] as Id[];
  const bytes = encodeBundleHead([b!, a!]);
  const text = `dlv bundle 1\nneeds ${a}\nneeds ${b}\n`;
  t.deepEqual(Buffer.from(bytes), Buffer.from(seal(text)));
  t.deepEqual(decodeBundleHead(bytes, 'x'), [a, b]);
  for (const other of [
    `dlv bundle 1\nneeds ${b}\nneeds ${a}\n`,
    `dlv bundle 1\nneeds ${a}\nneeds ${a}\n`,
    `dlv bundle 1\nneeds ${a} \n`,
    `dlv bundle 1\nwants ${a}\n`,
    `dlv bundle 1\n\n`,
  ]) {
    t.throws(() => decodeBundleHead(seal(other), 'x'), { code: 'DLV_CORRUPT' }, other);
  }
});

test('bundle: names of objects are those of a remote and no others', (t) => {
  for (const name of ['remote', 'format', `packs/${SET}.idx`, `lists/${'b'.repeat(64)}`]) {
    t.true(isObjectName(name), name);
  }
  for (const name of [
    '',
    'remote ',
    'incoming/x',
    `packs/${SET}`,
    `packs/${SET}.hi.hi`,
    `packs/x/${SET}.hi`,
    `lists/${'B'.repeat(64)}`,
    `packs/${SET}.hi\n`,
  ]) {
    t.false(isObjectName(name), name);
  }
});

test('bundle: a writer that fails leaves nothing, and one that is killed is cleaned up after', async (t) => {
  const dir = await tempDir(t);
  const file = path.join(dir, 'x.dlv');
  const writer = new BundleWriter(file, []);
  const broken = { size: 10, read: () => Promise.reject(new Error('the disk failed')) };
  await t.throwsAsync(writer.store(`packs/${SET}.hi`, broken), { message: 'the disk failed' });
  t.is((await fs.readdir(dir)).length, 1);
  await writer.close();
  t.deepEqual(await fs.readdir(dir), []);

  // Named by a process that cannot be there any more, and by one that is.
  const started = new BundleWriter(file, []);
  await started.store(`packs/${SET}.hi`, bytesSource(Buffer.alloc(10)));
  const [own = ''] = await fs.readdir(dir);
  const dead = own.replace(/^\.tmp-\d+-/, '.tmp-4194303-');
  await fs.copyFile(path.join(dir, own), path.join(dir, dead));
  // Cut short by a power cut; and of a name that dlv does not give.
  const empty = own.replace(/^\.tmp-\d+-/, '.tmp-4194302-');
  await fs.writeFile(path.join(dir, empty), '');
  await fs.writeFile(path.join(dir, '.tmp-4194302-other'), 'of somebody else');
  const next = new BundleWriter(path.join(dir, 'y.dlv'), []);
  await next.store(`packs/${SET}.hi`, bytesSource(Buffer.alloc(10)));
  const left = await fs.readdir(dir);
  t.deepEqual(
    [dead, empty, own, '.tmp-4194302-other'].map((name) => left.includes(name)),
    [false, false, true, true],
  );
  t.is(left.length, 3);
  await next.close();
  await started.close();
});
