/**
 * Goal: slabs that are lent never share memory, whatever sizes come and go; memory is used again, also for
 * slabs of another size.
 * Method: random loans, each filled with a number of its own.
 */
import test from 'ava';
import {
  bytesOfSlab,
  SLAB_BYTES_MAX,
  type Slab,
  SlabMemory,
} from '../../../../../lib/base/bytes/memory/slabs.js';
import { seededRandom } from '../../../../helpers/rng.js';

test('slabs: what is lent at one time does not overlap', (t) => {
  const memory = new SlabMemory();
  const random = seededRandom(5);
  const lent: { slab: Slab; bytes: Uint8Array; mark: number }[] = [];
  for (let step = 0; step < 400; step++) {
    if (lent.length > 12 || (lent.length > 0 && random() < 0.4)) {
      const [gone] = lent.splice(Math.floor(random() * lent.length), 1);
      t.true(gone!.bytes[0] === gone!.mark && gone!.bytes.at(-1) === gone!.mark);
      memory.give(gone!.slab);
      continue;
    }
    const count = Math.ceil(4096 * 2 ** (random() * 10));
    const slab = memory.take(count);
    const bytes = bytesOfSlab(slab, count);
    bytes.fill(step & 255);
    lent.push({ slab, bytes, mark: step & 255 });
  }
});

test('slabs: a chunk that came back is cut for other sizes', (t) => {
  const memory = new SlabMemory();
  const whole = memory.take(SLAB_BYTES_MAX);
  const { buffer } = bytesOfSlab(whole, 1);
  memory.give(whole);
  const parts = Array.from({ length: 16 }, () => memory.take(1024 * 1024));
  t.true(parts.every((slab) => bytesOfSlab(slab, 1).buffer === buffer));
  for (const slab of parts) memory.give(slab);
  t.is(bytesOfSlab(memory.take(SLAB_BYTES_MAX), 1).buffer, buffer);
});

test('slabs: a large one is at most a quarter larger than what was asked for', (t) => {
  const memory = new SlabMemory();
  const random = seededRandom(6);
  for (let i = 0; i < 200; i++) {
    const bytes = Math.ceil(1024 * 1024 * 2 ** (random() * 4));
    const slab = memory.take(bytes);
    t.true(slab.bytes >= bytes && slab.bytes <= 1.25 * bytes, `${slab.bytes} for ${bytes}`);
    memory.give(slab);
  }
});

test('slabs: those of a file of 6 MB with one long tensor come from less than 32 MiB', (t) => {
  // More of it at once, and V8 would collect in the middle of a command that takes a tenth of a second.
  const memory = new SlabMemory();
  const buffers = new Set<ArrayBufferLike>();
  const take = (count: number, bytes: number) => {
    for (let i = 0; i < count; i++) buffers.add(bytesOfSlab(memory.take(bytes), bytes).buffer);
  };
  take(2, 512 * 1024); // what the file is read into
  for (const elements of [1 << 10, 10 << 10, 18 << 10, 72 << 10, 144 << 10, 1152 << 10]) {
    take(4, elements); // its planes
    take(4, elements); // those of its base
    take(1, 4 * elements); // room for what it is coded to
  }
  const bytes = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
  t.true(bytes < 32 * 1024 * 1024, `${bytes} bytes`);
});
