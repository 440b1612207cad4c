/**
 * What a file's description may take: 8 bytes of memory for each byte of its structure and 64 MiB, or
 * the file is kept as a blob. Each hostile file is read in a process whose heap is little larger than
 * that: a reader that takes much more ends the process, and the test fails.
 */
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { LAYOUT_MEMORY_BASE_BYTES } from '../../../../lib/base/limits.js';
import { readLayout } from '../../../../lib/pure/formats/detect.js';
import { MemoryBudget } from '../../../../lib/pure/formats/memory-budget.js';
import { MeteredSource } from '../../../helpers/fuzz.js';
import { type HostileFile, hostileFiles } from '../../../helpers/hostile-files.js';

const MIB = 1024 * 1024;

test('memory: twice the file takes twice the reads, not more', async (t) => {
  for (const what of ['npz: tiny arrays', 'zip: empty entries', 'onnx: empty nodes']) {
    const reads: number[] = [];
    for (const scale of [0.05, 0.1]) {
      const make = hostileFiles(scale)[what] as () => HostileFile;
      const source = new MeteredSource(make().bytes);
      await readLayout(source);
      reads.push(source.reads + source.bytesRead / 4096);
    }
    t.true((reads[1] as number) < 2.2 * (reads[0] as number) + 20, `${what}: ${reads}`);
  }
});

test('memory: a charge beyond what the structure explains is refused by name', (t) => {
  const budget = new MemoryBudget('x.bin');
  // A process has taken a quarter of it before it reads anything.
  const free = (LAYOUT_MEMORY_BASE_BYTES * 3) / 4;
  budget.charge(free);
  t.throws(() => budget.charge(1), { code: 'DLV_LIMIT', message: /^'x\.bin'.* 48 MiB of memory/ });
  budget.release(0);
  budget.grant(1000);
  budget.charge(free + 8000);
  t.throws(() => budget.charge(1), { code: 'DLV_LIMIT' });
  const large = new MemoryBudget('y.bin');
  large.grant(2 ** 40);
  large.charge(512 * MIB);
  t.throws(() => large.charge(1), { code: 'DLV_LIMIT', message: /512 MiB/ });
});

test('memory: real descriptions are far within the bound', async (t) => {
  // 1,500 layers as a large language model names them.
  const entries: string[] = [];
  for (let i = 0; i < 1500; i++) {
    const at = 16 * i;
    entries.push(
      `"model.layers.${i}.self_attn.q_proj.weight":{"dtype":"BF16","shape":[2,4],"data_offsets":[${at},${at + 16}]}`,
    );
  }
  const header = Buffer.from(`{${entries.join(',')}}`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const layout = await readLayout(
    new MemorySource(Buffer.concat([length, header, Buffer.alloc(16 * 1500)])),
  );
  t.is(layout.tensors.length, 1500);
});
