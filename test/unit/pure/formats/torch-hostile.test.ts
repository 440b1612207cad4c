/**
 * PyTorch archives that lie, escape, explode or would run code: each becomes a blob with a warning,
 * or is read as far as it can be trusted. Ends with seeded mutations of real files.
 */
import fs from 'node:fs';
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import type { FormatReader } from '../../../../lib/pure/formats/format.js';
import { torchReader } from '../../../../lib/pure/formats/torch/torch.js';
import { validateLayout } from '../../../../lib/pure/formats/validate.js';
import { readZip, readZipEntry } from '../../../../lib/pure/formats/zip/zip.js';
import type { FileLayout } from '../../../../lib/pure/tensor/layout.js';
import { fuzzReader } from '../../../helpers/fuzz.js';
import { HoleSource } from '../../../helpers/hole-source.js';
import { layoutOf } from '../../../helpers/layouts.js';
import { fixture } from '../../../helpers/paths.js';
import {
  dictProgram,
  FLOATS,
  integer,
  tensor,
  text,
  torchArchive,
  tuple,
} from '../../../helpers/pickle.js';
import { buildZip } from '../../../helpers/zip.js';

const names = (layout: FileLayout) => layout.tensors.map((found) => found.name);
const w = tensor();

test('torch: an archive by hand has its tensor', async (t) => {
  const layout = await layoutOf(torchArchive(dictProgram({ w })));
  t.is(layout.format, 'torch');
  t.deepEqual(layout.warnings, []);
  t.like(layout.tensors[0], { name: 'w', dtype: 'F32', shape: [4], strides: null });
});

/** Archives that are kept as blobs, with the reason that the user reads. */
const blobs: Record<string, [reason: RegExp, bytes: Buffer]> = {
  'a storage without an entry': [
    /no entry 'a\/data\/7'/,
    torchArchive(dictProgram({ w: tensor({ key: '7' }) })),
  ],
  'a storage key that leaves the folder': [
    /no entry 'a\/data\/\.\.\/version'/,
    torchArchive(
      dictProgram({
        w: tensor({ key: '../version', className: 'ByteStorage', count: 2, shape: [2] }),
      }),
    ),
  ],
  'a storage in two entries': [
    /two zip entries/,
    torchArchive(dictProgram({ w }), undefined, (parts) => [
      ...parts,
      { name: 'a/data/0', data: FLOATS },
    ]),
  ],
  'a storage whose count is too high': [
    /has 16 bytes, its 5 elements of torch\.FloatStorage need 20/,
    torchArchive(dictProgram({ w: tensor({ count: 5 }) })),
  ],
  'a storage whose count is too low': [
    /need 8/,
    torchArchive(dictProgram({ w: tensor({ count: 2, shape: [2] }) })),
  ],
  'a storage of 2^61 elements': [
    /impossible size/,
    torchArchive(dictProgram({ w: tensor({ count: 2n ** 61n }) })),
  ],
  'a storage of a negative count': [
    /impossible size/,
    torchArchive(dictProgram({ w: tensor({ count: -4 }) })),
  ],
  'a storage that is described in two ways': [
    /described in two ways/,
    torchArchive(dictProgram({ w, v: tensor({ className: 'IntStorage' }) })),
  ],
  'a storage whose key is a number': [
    /has no key/,
    torchArchive(
      dictProgram({
        w: `${tuple(text('storage'), 'ctorch\nFloatStorage\n', 'K\0', text('cpu'), 'K\x04')}Q`,
      }),
    ),
  ],
  'a view beyond its storage': [
    /ends at byte 20, the storage at 16/,
    torchArchive(dictProgram({ w: tensor({ offset: 1 }) })),
  ],
  'a view whose stride leaves the storage': [
    /ends at byte/,
    torchArchive(dictProgram({ w: tensor({ strides: [2] }) })),
  ],
  'a view of 2^53 rows': [
    /ends at byte/,
    torchArchive(
      dictProgram({ w: tensor({ shape: [2n ** 53n - 1n, 2n ** 53n - 1n], strides: [1, 1] }) }),
    ),
  ],
  'a negative stride': [
    /impossible offset, shape or stride/,
    torchArchive(dictProgram({ w: tensor({ offset: 3, strides: [-1] }) })),
  ],
  'a negative size': [
    /impossible offset, shape or stride/,
    torchArchive(dictProgram({ w: tensor({ shape: [-4] }) })),
  ],
  'a negative offset': [
    /impossible offset, shape or stride/,
    torchArchive(dictProgram({ w: tensor({ offset: -1, shape: [1] }) })),
  ],
  'more strides than sizes': [
    /impossible offset, shape or stride/,
    torchArchive(dictProgram({ w: tensor({ strides: [1, 1] }) })),
  ],
  '65 dimensions': [
    /65 dimensions/,
    torchArchive(
      dictProgram({ w: tensor({ shape: new Array(65).fill(1), strides: new Array(65).fill(1) }) }),
    ),
  ],
  'an expanded view of 2^40 elements': [
    /expanded to/,
    torchArchive(dictProgram({ w: tensor({ shape: [2 ** 40], strides: [0] }) })),
  ],
  'lists nested 200 deep around a tensor': [
    /nested or shared too much/,
    torchArchive(`${'('.repeat(200)}${w}${'l'.repeat(200)}.`),
  ],
  'lists that each hold the one before twice': [
    /nested or shared too much|takes more than/,
    torchArchive(
      `\x80\x04${w}\x94${Array.from({ length: 60 }, (_, i) => {
        return `0]\x94(h${String.fromCharCode(i)}h${String.fromCharCode(i)}e`;
      }).join('')}.`,
    ),
  ],
  'a program without an end': [/ends early/, torchArchive('\x80\x02}')],
  'a byte order that is none': [
    /the byte order is "middle"/,
    torchArchive(dictProgram({ w }), { 'data/0': FLOATS, byteorder: Buffer.from('middle') }),
  ],
  'no program': [/no entry 'a\/data\.pkl'/, torchArchive('', undefined, (parts) => parts.slice(1))],
};
for (const [what, [reason, bytes]] of Object.entries(blobs)) {
  test(`torch: keeps as a blob ${what}`, async (t) => {
    const layout = await layoutOf(bytes);
    t.is(layout.format, 'blob');
    t.deepEqual(layout.extents, []);
    t.is(layout.warnings.length, 1);
    t.regex(layout.warnings[0] ?? '', reason);
  });
}

test('torch: what would run code is named, never run, and costs no tensor', async (t) => {
  const calls = {
    a: `cposix\nsystem\n(${text('true')}tR`,
    b: `(${text('1+1')}ibuiltins\neval\n`,
    c: `(csubprocess\nPopen\n${text('true')}o`,
    d: 'cnumpy.testing._private.utils\nrunstring\n(tR',
    e: 'ctorch.hub\nload\n(tR',
  };
  const layout = await layoutOf(torchArchive(dictProgram({ ...calls, w })));
  t.deepEqual(names(layout), ['w']);
  t.is(layout.warnings.length, 1);
  for (const name of [
    'posix.system',
    'builtins.eval',
    'subprocess.Popen',
    'runstring',
    'hub.load',
  ]) {
    t.true(layout.warnings[0]?.includes(name), name);
  }
  t.regex(layout.warnings[0] ?? '', /never runs/);
});

test('torch: a pickle of settings is no news unless it would run code', async (t) => {
  const settings = Object.fromEntries(
    Array.from({ length: 9 }, (_, i) => [`k${i}`, `ctransformers.trainer\nClass${i}\n(tR`]),
  );
  t.deepEqual((await layoutOf(torchArchive(dictProgram(settings)))).warnings, []);
  const beside = await layoutOf(torchArchive(dictProgram({ ...settings, w })));
  t.is(beside.warnings.length, 1);
  t.regex(beside.warnings[0] ?? '', /'transformers\.trainer\.Class1' and 7 more$/);
  t.true((beside.warnings[0] ?? '').length < 150);
  const harm = { ...settings, x: 'cos\nsystem\n(tR' };
  t.regex((await layoutOf(torchArchive(dictProgram(harm)))).warnings[0] ?? '', /'os\.system'/);
});

test('torch: tensors inside unknown objects are found by their attributes', async (t) => {
  const module = `cmy.net\nNet\n)\x81}(${text('_parameters')}}(${text('w')}${w}u${text(
    '_modules',
  )}}(${text('block')}cmy.net\nBlock\n)\x81}(${text('_buffers')}}(${text('b')}${w}uubuub`;
  const layout = await layoutOf(torchArchive(dictProgram({ net: module })));
  t.deepEqual(names(layout), ['net.w', 'net.block.b']);
  t.is(layout.extents.length, 1);
});

test('torch: a list that holds itself is walked once', async (t) => {
  const layout = await layoutOf(torchArchive(`]q\0(h\0${w}e.`));
  t.deepEqual(names(layout), ['1']);
});

test('torch: names that clash are told apart', async (t) => {
  const wrapped = dictProgram({
    w,
    model: `}(${text('w')}${w}u`,
    'x.y': w,
    x: `}(${text('y')}${w}u`,
  });
  t.deepEqual(names(await layoutOf(torchArchive(wrapped))), ['w', 'model.w', 'x.y', 'x.y~2']);
});

test('torch: a tensor that is not a view is kept as bytes with a warning', async (t) => {
  const unknown = tensor({ key: '1', className: 'FutureStorage', count: 3 });
  const meta = 'ctorch._utils\n_rebuild_meta_tensor_no_storage\n(tR';
  const bare = `ctorch._utils\n_rebuild_tensor_v2\n${tuple('N', 'K\0', tuple(), tuple())}R`;
  const bytes = torchArchive(dictProgram({ w, unknown, meta, bare }), {
    'data/0': FLOATS,
    'data/1': Buffer.from('123'),
  });
  const layout = await layoutOf(bytes);
  t.deepEqual(names(layout), ['w']);
  t.regex(layout.warnings.join(), /FutureStorage.*a meta tensor has no values.*it has no storage/);
});

test('torch: compressed storages stay bytes, a compressed program is read', async (t) => {
  const two = dictProgram({ w, v: tensor({ key: '1' }) });
  const bytes = torchArchive(two, { 'data/0': FLOATS, 'data/1': FLOATS }, (parts) =>
    parts.map((part) => ({ ...part, deflate: /pkl$|1$/.test(part.name) })),
  );
  const layout = await layoutOf(bytes);
  t.deepEqual(names(layout), ['w']);
  t.regex(layout.warnings.join(), /compressed.*'a\/data\/1'/);
});

test('torch: an empty tensor may claim any offset and needs no entry', async (t) => {
  const far = { count: 0, key: 'none', offset: 2n ** 53n - 1n, shape: [0] };
  const layout = await layoutOf(torchArchive(dictProgram({ w, empty: tensor(far) })));
  t.deepEqual(names(layout), ['w', 'empty']);
});

test('torch: big-endian data seen under two widths is left in its order', async (t) => {
  const wide = tensor({ key: '1', className: 'UntypedStorage', count: 16 }).replaceAll(
    'ctorch\nUntypedStorage',
    'ctorch.storage\nUntypedStorage',
  );
  const v3 = (dtype: string, size: number) =>
    wide
      .replace('_rebuild_tensor_v2', '_rebuild_tensor_v3')
      .replace(integer(4), integer(size))
      .replace(/\x89NtR$/, `\x89Nctorch\n${dtype}\ntR`);
  const bytes = torchArchive(dictProgram({ w, a: v3('uint32', 4), b: v3('uint16', 4) }), {
    byteorder: Buffer.from('big'),
    'data/0': FLOATS,
    'data/1': FLOATS,
  });
  const layout = await layoutOf(bytes);
  t.deepEqual(names(layout), ['w']);
  t.regex(layout.warnings.join(), /several widths/);
});

test('torch: a zip of other folders is a blob without a warning', async (t) => {
  const zip = buildZip([{ name: 'site/data/table.csv', data: Buffer.from('1,2') }]);
  const layout = await layoutOf(zip);
  t.is(layout.format, 'blob');
  t.deepEqual(layout.warnings, []);
});

/** An archive whose storage '0' has `size` zero bytes at `offset`; its storage '1' is FLOATS. */
function largeArchive(program: string, size: number): { source: HoleSource; offset: number } {
  const lie = { localSize: size, centralSize: size, centralCompressedSize: size, crc: 0 };
  const whole = buildZip(
    [
      { name: 'a/data.pkl', data: Buffer.from(program, 'latin1') },
      { name: 'a/data/1', data: FLOATS },
      { name: 'a/data/0', data: Buffer.alloc(0), zip64: true, ...lie },
    ],
    { zip64: true },
  );
  // The data goes between the last local entry and the directory, which moves behind it.
  const offset = whole.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  const tail = Buffer.from(whole.subarray(offset));
  const end64 = tail.indexOf(Buffer.from([0x50, 0x4b, 6, 6]));
  for (const at of [end64 + 48, end64 + 56 + 8]) {
    tail.writeBigUInt64LE(tail.readBigUInt64LE(at) + BigInt(size), at);
  }
  return { source: new HoleSource([whole.subarray(0, offset), size, tail]), offset };
}

test('torch: a storage beyond 4 GiB is one extent, and little of the file is read', async (t) => {
  const count = 1.25 * 2 ** 30;
  const program = dictProgram({
    large: tensor({ count, shape: [count] }),
    w: tensor({ key: '1' }),
  });
  const { source, offset } = largeArchive(program, 4 * count);
  const layout = await torchReader.layout(source);
  validateLayout(layout, source.size);
  t.deepEqual(layout.extents.at(-1), { offset, width: 4, count, byteSwap: false });
  t.true(source.bytesRead < 2 ** 18, `${source.bytesRead} bytes read`);
});

test('torch: a large flat storage is cut where its views meet', async (t) => {
  const count = 2 ** 27;
  const half = count / 2;
  const program = dictProgram({
    first: tensor({ count, shape: [half - 100] }),
    second: tensor({ count, offset: half, shape: [half / 4, 2], strides: [2, 1] }),
    inside: tensor({ count, offset: half + 6, shape: [10] }),
    last: tensor({ count, offset: half + half / 2, shape: [half / 2] }),
  });
  const { source, offset } = largeArchive(program, 4 * count);
  const layout = await torchReader.layout(source);
  validateLayout(layout, source.size);
  t.deepEqual(
    layout.extents.map((span) => [(span.offset - offset) / 4, span.count]),
    [
      [0, half],
      [half, half / 2],
      [half + half / 2, half / 2],
    ],
  );
});

test.serial('torch: mutations of real files are read or refused, within bounds', async (t) => {
  const files = ['checkpoint-1', 'views', 'dtypes', 'extras', 'special', 'later', 'big-endian'];
  const corpus = files.map((file) => fs.readFileSync(fixture('torch', `${file}.pt`)));
  const dictionary = ['\x80\x02', 'h\0', 'q\0', 'R', 'b', 'Q', 'ctorch\nFloatStorage\n', 'u', 't'];
  const tally = await fuzzReader(torchReader, { corpus, count: 1500, seed: 11, dictionary });
  t.true(tally.accepted > 100 && tally.refused > 100, JSON.stringify(tally));
});

test.serial('torch: mutations of the program alone are read or refused', async (t) => {
  const views = new MemorySource(fs.readFileSync(fixture('torch', 'views.pt')));
  const { entries } = await readZip(views);
  const content = new Map<string, Uint8Array>();
  for (const entry of entries) {
    content.set(entry.name.replace(/^archive\//, ''), await readZipEntry(views, entry, 1 << 20));
  }
  const program = content.get('data.pkl') as Uint8Array;
  content.delete('data.pkl');
  content.delete('version');
  const data = Object.fromEntries(content);
  const reader: FormatReader = {
    ...torchReader,
    layout: async (source) => {
      const mutated = Buffer.from(await source.read(0, source.size)).toString('latin1');
      const archive = new MemorySource(torchArchive(mutated, data));
      const layout = await torchReader.layout(archive);
      validateLayout(layout, archive.size);
      return { ...layout, extents: [], tensors: [], variable: [] };
    },
  };
  const dictionary = ['h\0', 'R', '\x85', '\x93', 'b', 'K\xff', '\x88', '}', 'N'];
  const tally = await fuzzReader(reader, { corpus: [program], count: 1500, seed: 12, dictionary });
  t.true(tally.accepted > 100 && tally.refused > 100, JSON.stringify(tally));
});
