/**
 * Pictures against Pillow 12: what it wrote is read alike, and resized, made grey and cropped as it does;
 * PNG files that it does not write (interlaced, 16 bits) against an encoder of our own.
 */
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { DlvError } from '../../../../lib/base/errors.js';
import { openDataSet } from '../../../../lib/knowledge/inference/data/data-set.js';
import {
  decodePicture,
  preparePicture,
  resizePicture,
} from '../../../../lib/knowledge/inference/data/images/pictures.js';
import { decodePng, type Picture } from '../../../../lib/knowledge/inference/data/images/png.js';
import { AS_IS } from '../../../../lib/knowledge/inference/data/preprocess.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const NONE = { resize: null, crop: null, channels: null };

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'base64');
}

function pattern(width: number, height: number, channels: 1 | 3, factor: number): Picture {
  const bytes = Uint8Array.from(
    { length: width * height * channels },
    (_, i) => (i * factor) % 251,
  );
  return { width, height, channels, bytes };
}

const GREY = pattern(7, 5, 1, 37);
const COLOURS = pattern(5, 4, 3, 53);
/** Written by Pillow: the patterns above, with a palette of 8 colours, with 1 bit, with opacity. */
const WRITTEN = {
  grey: 'iVBORw0KGgoAAAANSUhEUgAAAAcAAAAFCAAAAACs8akEAAAAFklEQVR4nGNkUFVVVVVVZeKAABw0LwAtvgHNf0I0owAAAABJRU5ErkJggg==',
  rgb: 'iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAIAAADJUWIXAAAAKklEQVR4nGNgMM2af4XPuWLtI5nAtt0fmLS0tLT0EQSTFhRAxZhgTKgYADZuDpQ/Y9LVAAAAAElFTkSuQmCC',
  pal: 'iVBORw0KGgoAAAANSUhEUgAAAAUAAAAEBAMAAAC0HehzAAAAGFBMVEWq3xmCt+xil8w/dKnlH1R6MWYUSX4ANWqyt9NTAAAAGElEQVR4nGMoMBFgMFFjYFBhdmD69N8AABVaA5kKKvYgAAAAAElFTkSuQmCC',
  1: 'iVBORw0KGgoAAAANSUhEUgAAAAcAAAAFAQAAAACh4ct1AAAAEklEQVR4nGPgY2JgYmASYPoHAAHeASW6GdPMAAAAAElFTkSuQmCC',
  rgba: 'iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAYAAABGM/VAAAAAPklEQVR4nGNgMM36P/8K33/nirX/H8kE/m/b/eE/k5aWFoOWvhaDlpYWg76WFoOWlj4DRBDKgSlgQqhAqAYAVToTjwewMjIAAAAASUVORK5CYII=',
  jpeg: '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAAIABADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD5Pooor4c/1MP/2Q==',
};
const PALETTE_PIXELS = [
  0, 53, 106, 170, 223, 25, 63, 116, 169, 229, 31, 84, 130, 183, 236, 63, 116, 169, 229, 31, 84, 98,
  151, 204, 20, 73, 126, 170, 223, 25, 98, 151, 204, 229, 31, 84, 170, 223, 25, 63, 116, 169, 229,
  31, 84, 130, 183, 236, 20, 73, 126, 170, 223, 25, 98, 151, 204, 0, 53, 106,
];
const ONE_BIT_PIXELS = [
  0, 0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 0, 0, 0, 255,
  255, 255, 255, 0, 0, 0, 255, 255, 255, 0,
];

test('png: files that Pillow wrote', (t) => {
  const read = (text: string): number[] => [...decodePng(bytesOf(text), 'x').bytes];
  t.deepEqual(read(WRITTEN.grey), [...GREY.bytes]);
  t.deepEqual(read(WRITTEN.rgb), [...COLOURS.bytes]);
  t.deepEqual(read(WRITTEN.rgba), [...COLOURS.bytes]);
  t.deepEqual(read(WRITTEN.pal), PALETTE_PIXELS);
  t.deepEqual(read(WRITTEN['1']), ONE_BIT_PIXELS);
});

/** An encoder of PNG that knows filters, depths and interlacing. */
function encodePng(
  picture: Picture,
  { depth, isInterlaced, filters }: { depth: number; isInterlaced: boolean; filters: number[] },
): Buffer {
  const { width, height, channels, bytes } = picture;
  const passes = isInterlaced
    ? [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
      ]
    : [[0, 0, 1, 1]];
  const rows: Buffer[] = [];
  for (const [x0 = 0, y0 = 0, dx = 1, dy = 1] of passes) {
    let above: Buffer | null = null;
    for (let y = y0; y < height && x0 < width; y += dy) {
      const bits: number[] = [];
      for (let x = x0; x < width; x += dx) {
        for (let c = 0; c < channels; c++) {
          const value = bytes[(y * width + x) * channels + c] as number;
          const sample = depth === 16 ? value * 257 : depth === 8 ? value : value >> (8 - depth);
          for (let bit = depth - 1; bit >= 0; bit--) bits.push((sample >> bit) & 1);
        }
      }
      const raw = Buffer.alloc(Math.ceil(bits.length / 8));
      for (const [i, bit] of bits.entries())
        raw[i >> 3] = (raw[i >> 3] as number) | (bit << (7 - (i & 7)));
      const back = Math.max(1, (channels * depth) >> 3);
      const kind = filters[rows.length % filters.length] as number;
      const line = raw;
      const filtered = Buffer.alloc(raw.length);
      for (let i = 0; i < raw.length; i++) {
        const a = i < back ? 0 : (line[i - back] as number);
        const b: number = above?.[i] ?? 0;
        const c = i < back ? 0 : (above?.[i - back] ?? 0);
        const p = a + b - c;
        const near = [a, b, c].reduce((best, one) =>
          Math.abs(p - one) < Math.abs(p - best) ? one : best,
        );
        const guess = [0, a, b, (a + b) >> 1, near][kind] as number;
        filtered[i] = ((line[i] as number) - guess) & 255;
      }
      rows.push(Buffer.concat([Buffer.of(kind), filtered]));
      above = raw;
    }
  }
  const chunk = (name: string, content: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(name), content]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(content.length, 0);
    out.set(body, 4);
    out.writeUInt32BE(crc32(body), out.length - 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([depth, channels === 3 ? 2 : 0, 0, 0, isInterlaced ? 1 : 0], 8);
  const data = deflateSync(Buffer.concat(rows));
  const half = data.length >> 1;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    chunk('tEXt', Buffer.from('a\0b')),
    chunk('IDAT', data.subarray(0, half)),
    chunk('IDAT', data.subarray(half)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

test('png: every depth, filter and interlacing', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        width: fc.integer({ min: 1, max: 19 }),
        height: fc.integer({ min: 1, max: 19 }),
        isGrey: fc.boolean(),
        depth: fc.constantFrom(1, 2, 4, 8, 16),
        isInterlaced: fc.boolean(),
        filters: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 }),
        factor: fc.integer({ min: 1, max: 250 }),
      }),
      ({ width, height, isGrey, depth, isInterlaced, filters, factor }) => {
        const wide = isGrey || depth >= 8 ? depth : 8;
        const picture = pattern(width, height, isGrey ? 1 : 3, factor);
        const most = 2 ** Math.min(wide, 8) - 1;
        const expected = picture.bytes.map((value) =>
          wide >= 8 ? value : Math.round(((value >> (8 - wide)) * 255) / most),
        );
        const found = decodePng(encodePng(picture, { depth: wide, isInterlaced, filters }), 'x');
        return Buffer.from(found.bytes).equals(Buffer.from(expected));
      },
    ),
  );
  t.pass();
});

test('png: damage and pictures that are too large are errors of ours', (t) => {
  const whole = bytesOf(WRITTEN.rgb);
  for (let at = 8; at < whole.length; at++) {
    const bent = Buffer.from(whole);
    bent[at] = (bent[at] as number) ^ 0x55;
    t.throws(
      () => decodePng(bent, 'x.png'),
      { instanceOf: DlvError, message: /x\.png/ },
      `byte ${at}`,
    );
    t.throws(() => decodePng(whole.subarray(0, at), 'x.png'), { instanceOf: DlvError });
  }
  const huge = Buffer.from(whole);
  huge.writeUInt32BE(0x7fffffff, 16);
  huge.writeUInt32BE(crc32(huge.subarray(12, 29)), 29);
  t.throws(() => decodePng(huge, 'x.png'), { code: 'DLV_LIMIT' });
});

test('pictures: resized as Pillow does', (t) => {
  t.deepEqual([...resizePicture(GREY, 2, 3).bytes], [40, 119, 198, 56, 135, 186]);
  t.deepEqual(
    [...resizePicture(pattern(3, 2, 1, 37), 4, 5).bytes],
    [0, 15, 37, 59, 74, 28, 43, 65, 87, 102, 83, 98, 120, 142, 157, 111, 126, 148, 170, 185],
  );
  t.deepEqual(
    [...resizePicture(COLOURS, 2, 2).bytes],
    [114, 103, 104, 129, 120, 126, 131, 125, 129, 112, 124, 117],
  );
});

test('pictures: grey, colours, shorter sides and middles', (t) => {
  const grey = preparePicture(pattern(3, 2, 3, 53), { ...NONE, channels: 1 }, 'x');
  t.deepEqual([...grey.bytes], [43, 174, 110, 93, 177, 85]);
  const back = preparePicture(grey, { ...NONE, channels: 3 }, 'x');
  t.deepEqual([...back.bytes.subarray(0, 6)], [43, 43, 43, 174, 174, 174]);
  const resized = preparePicture(pattern(7, 5, 1, 37), { ...NONE, resize: 10 }, 'x');
  t.deepEqual([resized.height, resized.width], [10, 14]);
  const cropped = preparePicture(GREY, { ...NONE, crop: [2, 3] }, 'x');
  // Rows 2 and 3 of 5: half of 3 is 1.5, and rounds to the even 2.
  t.deepEqual(
    [...cropped.bytes],
    [16, 17, 18, 23, 24, 25].map((at) => GREY.bytes[at]),
  );
  t.throws(() => preparePicture(GREY, { ...NONE, crop: 6 }, 'x'), { code: 'DLV_USAGE' });
});

test('pictures: JPEG, by the package that reads it', async (t) => {
  try {
    createRequire(import.meta.url).resolve('jpeg-js');
  } catch {
    t.log('SKIPPED: jpeg-js is not installed; JPEG is NOT tested');
    await t.throwsAsync(decodePicture(bytesOf(WRITTEN.jpeg), 'x.jpg'), { code: 'DLV_INFERENCE' });
    return;
  }
  const { width, height, channels, bytes } = await decodePicture(bytesOf(WRITTEN.jpeg), 'x.jpg');
  t.deepEqual([width, height, channels, bytes.length], [16, 8, 3, 384]);
  const [r, g, b] = [...bytes.subarray(0, 3)] as [number, number, number];
  t.true(Math.abs(r - 200) < 4 && Math.abs(g - 30) < 4 && Math.abs(b - 60) < 4);
  await t.throwsAsync(decodePicture(bytesOf(WRITTEN.jpeg).subarray(0, 200), 'x.jpg'), {
    code: 'DLV_CORRUPT',
    message: /x\.jpg/,
  });
  await t.throwsAsync(decodePicture(Buffer.from('GIF89a'), 'x.jpg'), { code: 'DLV_USAGE' });
});

async function folder(t: ExecutionContext, files: Record<string, Picture>): Promise<string> {
  const dir = await tempDir(t);
  for (const [name, picture] of Object.entries(files)) {
    await fs.mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    const how = { depth: 8, isInterlaced: false, filters: [0] };
    await fs.writeFile(path.join(dir, name), encodePng(picture, how));
  }
  return dir;
}

test('folders: a class is a folder, and the first examples are of all classes', async (t) => {
  const one = (value: number): Picture => {
    return {
      width: 2,
      height: 1,
      channels: 3,
      bytes: Uint8Array.from({ length: 6 }, (_, i) => value + i),
    };
  };
  const dir = await folder(t, {
    'cat/1.png': one(0),
    'cat/2.png': one(10),
    'cat/10.png': one(20),
    'dog/a.png': one(100),
    'dog/notes.txt.png': one(110),
  });
  await fs.writeFile(path.join(dir, 'README.md'), 'not a class');
  await fs.writeFile(path.join(dir, 'cat/info.json'), '{}');
  const set = await openDataSet({ data: dir, labels: null, pictures: AS_IS });
  t.deepEqual([set.examples, [...set.truth]], [5, [0, 1, 0, 1, 0]]);
  t.deepEqual(set.classes, ['cat', 'dog']);
  t.deepEqual(set.data.shape, [5, 3, 1, 2]);
  // Channels come first: red of both pixels, then green, then blue.
  t.deepEqual([...(await set.data.rows(0, 1))], [0, 3, 1, 4, 2, 5]);
  const turned = await openDataSet({ data: dir, labels: null, classes: ['dog', 'bird', 'cat'] });
  t.deepEqual([...turned.truth], [0, 2, 0, 2, 2]);
  const small = await openDataSet({ data: dir, labels: null, pictures: { ...AS_IS, crop: 1 } });
  t.not(small.sha256, set.sha256);
  t.deepEqual(small.data.shape, [5, 3, 1, 1]);
});

test('folders: say what is wrong with them', async (t) => {
  const dir = await folder(t, { 'a/1.png': GREY, 'b/2.png': COLOURS });
  const set = await openDataSet({ data: dir, labels: null });
  await t.throwsAsync(set.data.rows(0, 2), {
    code: 'DLV_USAGE',
    message: /'b\/2\.png' is 4 × 5 × 3/,
  });
  await t.throwsAsync(openDataSet({ data: dir, labels: null, classes: ['a'] }), {
    message: /folder 'b'/,
  });
  const flat = await folder(t, { '1.png': GREY });
  await t.throwsAsync(openDataSet({ data: flat, labels: null }), {
    message: /no folders of classes/,
  });
  await t.throwsAsync(openDataSet({ data: flat, labels: null, limit: 1 }), { code: 'DLV_USAGE' });
  const labels = path.join(flat, 'labels.csv');
  await fs.writeFile(labels, 'y\n1\n');
  const told = await openDataSet({ data: flat, labels });
  t.deepEqual([...told.truth], [1]);
});
