/** Files named like models that are none: one warning says what they are, and other files have none. */
import fs from 'node:fs';
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { readLayout } from '../../../../lib/pure/formats/detect.js';
import { fixture } from '../../../helpers/paths.js';
import { buildZip } from '../../../helpers/zip.js';

const MODELS = [
  'pt',
  'pth',
  'bin',
  'ckpt',
  'safetensors',
  'onnx',
  'npz',
  'npy',
  'gguf',
  'h5',
  'pkl',
];
const FURTHER = [
  'pt2',
  'joblib',
  'onnx.data',
  'onnx_data',
  'data-00000-of-00001',
  'msgpack',
  'params',
];
const OTHERS = ['txt', 'html', 'dat', 'json', 'png'];
const LFS =
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n';

async function warningsOf(name: string, content: Uint8Array | string): Promise<string[]> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const layout = await readLayout(new MemorySource(bytes, name), undefined, { strict: true });
  return layout.format === 'blob' ? layout.warnings : [`a ${layout.format}`];
}

const contents: Record<string, [wanted: RegExp, content: Uint8Array | string]> = {
  'a pointer of git-lfs': [/^is a pointer of git-lfs, not the model: run 'git lfs pull'/, LFS],
  'a web page': [/^is a web page, not the model/, '\n<!DOCTYPE html><html><body>401</body></html>'],
  'an answer of a server': [/^is an error message in JSON/, '{"error":"Repository not found"}'],
  'an answer in words': [/^is the answer of a server in words/, 'Invalid username or password.'],
  'an answer with a number': [/^is the answer of a server in words/, '404: Not Found\n'],
  'an old pointer of git-lfs': [
    /^is a pointer of git-lfs/,
    LFS.replace('git-lfs.git', 'hawser.git'),
  ],
  zeros: [/^is 100000 zero bytes, not a model/, new Uint8Array(100_000)],
  nothing: [/^is named like a model and is empty/, ''],
};
for (const [what, [wanted, content]] of Object.entries(contents)) {
  test(`lookalike: ${what} under the name of a model has one warning`, async (t) => {
    for (const ending of [...MODELS, ...FURTHER]) {
      const warnings = await warningsOf(`m/weights.${ending}`, content);
      t.is(warnings.length, 1, ending);
      t.regex(warnings[0] ?? '', wanted, ending);
    }
    for (const ending of OTHERS) {
      t.deepEqual(await warningsOf(`notes.${ending}`, content), [], ending);
    }
  });
}

test('lookalike: a model that was cut is told, wherever it ends', async (t) => {
  const files: [string, string][] = [
    ['torch/dtypes.pt', 'w.pt'],
    ['formats/arrays.npz', 'w.npz'],
    ['formats/f4.npy', 'w.npy'],
    ['formats/dtypes.safetensors', 'w.safetensors'],
    ['onnx/plain.onnx', 'w.onnx'],
  ];
  for (const [file, name] of files) {
    const bytes = fs.readFileSync(fixture(...file.split('/')));
    for (const share of [0.01, 0.3, 0.9]) {
      const length = Math.ceil(share * bytes.length);
      const warnings = await warningsOf(name, bytes.subarray(0, length));
      t.is(warnings.length, 1, `${name} of ${length}: ${warnings.join()}`);
      t.regex(warnings[0] ?? '', /copy or export it again$/, `${name} of ${length}`);
    }
  }
});

test('lookalike: an archive that holds no array is none of NumPy, an empty one is', async (t) => {
  const torch = fs.readFileSync(fixture('torch', 'dtypes.pt'));
  const zip = buildZip([{ name: 'meta.json', data: Buffer.from('{}') }]);
  for (const bytes of [
    zip,
    Buffer.concat([buildZip([{ name: 'w.npy', data: Buffer.from('x') }]), torch]),
  ]) {
    t.regex((await warningsOf('w.npz', bytes)).join(), /^is named like an archive of NumPy arrays/);
    t.deepEqual(await warningsOf('w.zip', bytes), []);
  }
  t.deepEqual(await warningsOf('w.npz', buildZip([])), []);
});

test('lookalike: zeros are told only if there is nothing else', async (t) => {
  const bytes = Buffer.alloc(3 << 20);
  bytes[bytes.length - 1] = 1;
  t.deepEqual(await warningsOf('w.bin', bytes), []);
  t.is((await warningsOf('w.bin', bytes.subarray(0, -1))).length, 1);
});

/** The start of an HDF5 file whose superblock says that it has so many bytes. */
function hdf5(version: number, size: number): Buffer {
  const head = Buffer.alloc(96);
  head.write('\x89HDF\r\n\x1a\n', 'latin1');
  head[8] = version;
  head[version < 2 ? 13 : 9] = 8;
  head.writeBigUInt64LE(BigInt(size), version < 2 ? 24 + 16 + 4 * version : 12 + 16);
  return head;
}

/** A GGUF file of one tensor of 64 elements, with lists and texts in its metadata. */
function gguf(type = 0, alignment = 32): { bytes: Buffer; header: number } {
  const numbers = (...parts: [size: 4 | 8, value: number][]): Buffer =>
    Buffer.concat(
      parts.map(([size, value]) => {
        const bytes = Buffer.alloc(size);
        bytes.writeUInt32LE(value);
        return bytes;
      }),
    );
  const text = (value: string): Buffer =>
    Buffer.concat([numbers([8, value.length]), Buffer.from(value)]);
  const list = numbers([4, 9], [4, 8], [8, 2]);
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    numbers([4, 3], [8, 1], [8, 3]),
    ...[text('tokens'), list, text('a'), text('bc')],
    ...[text('general.alignment'), numbers([4, 4], [4, alignment])],
    ...[text('scores'), numbers([4, 9], [4, 6], [8, 3], [4, 1], [4, 2], [4, 3])],
    ...[text('w'), numbers([4, 2], [8, 8], [8, 8], [4, type], [8, 0])],
  ]);
  const padding = Buffer.alloc((alignment - (header.length % alignment)) % alignment);
  const data = Buffer.alloc(type === 0 ? 4 * 64 : 2 * 34, 1);
  return { bytes: Buffer.concat([header, padding, data]), header: header.length };
}

test('lookalike: a GGUF file is told of if a tensor, or its header, is cut', async (t) => {
  for (const { bytes, header } of [gguf(), gguf(8), gguf(0, 256)]) {
    t.deepEqual(await warningsOf('w.gguf', bytes), []);
    for (const length of [12, 30, header - 1, header, bytes.length - 1]) {
      const [warning = ''] = await warningsOf('w.gguf', bytes.subarray(0, length));
      t.regex(warning, /^is named like a GGUF file .* may be truncated/, String(length));
    }
  }
  // Of a type that is not known only the place is.
  const odd = gguf(99).bytes;
  t.deepEqual(await warningsOf('w.gguf', odd), []);
  // Numbers that lie end it, and say nothing.
  for (let at = 4; at < gguf().header; at++) {
    for (const value of [0xff, 9]) {
      const bytes = Buffer.from(gguf().bytes);
      bytes.fill(value, at, at + 8);
      t.true((await warningsOf('w.gguf', bytes)).length <= 1);
    }
  }
});

test('lookalike: formats that are stored as bytes have a warning only if they are cut', async (t) => {
  const none = Buffer.alloc(64);
  none.write('GGUF\x03');
  const whole: Record<string, Buffer> = {
    'w.gguf': none,
    'k.keras': hdf5(0, 96),
    'a.h5': hdf5(0, 96),
    'b.h5': hdf5(1, 96),
    'c.hdf5': hdf5(2, 96),
    'd.hdf5': Buffer.concat([Buffer.alloc(512, 1), hdf5(3, 96)]),
    'p.pkl': Buffer.from('\x80\x04N.', 'latin1'),
    'p.pt': Buffer.from('\x80\x04N.', 'latin1'),
    'r.bin': Buffer.from('anything'),
    'r.ckpt': Buffer.from('anything'),
  };
  for (const [name, bytes] of Object.entries(whole)) {
    t.deepEqual(await warningsOf(name, bytes), [], name);
  }
  const cut: Record<string, Buffer> = {
    'w.gguf': none.subarray(0, 12),
    's.h5': hdf5(0, 96).subarray(0, 8),
    'k.keras': hdf5(0, 97),
    'p.pkl': Buffer.from('\x80\x04Nx', 'latin1'),
    'a.h5': hdf5(0, 97),
    'b.h5': hdf5(1, 97),
    'c.h5': hdf5(2, 97),
    'd.h5': hdf5(3, 96).subarray(0, 5),
    'r.pt': Buffer.from('anything'),
    'r.safetensors': Buffer.from('anything'),
  };
  for (const [name, bytes] of Object.entries(cut)) {
    t.regex(
      (await warningsOf(name, bytes)).join(),
      /^is named like an? .* cannot be read as one/,
      name,
    );
  }
});
