/**
 * Reads the layout of one file in a process of its own, for tests of memory: prints what it found and
 * what it took. Run it with a small heap: `node --max-old-space-size=… read-layout.js <file>`.
 */

import type { ByteSource } from '../../lib/base/bytes/byte-source.js';
import { ReadFile } from '../../lib/base/files/files.js';
import { readLayout } from '../../lib/pure/formats/detect.js';

/** What the process prints as JSON. */
export interface LayoutReport {
  format: string;
  tensors: number;
  warnings: string[];
  /** Growth of the resident memory, at its highest. */
  grownBytes: number;
  reads: number;
  bytesRead: number;
}

async function main(): Promise<void> {
  const file = await ReadFile.open(process.argv[2] as string, 'hostile');
  const report = { reads: 0, bytesRead: 0 };
  const source: ByteSource = {
    name: file.name,
    size: file.size,
    read(offset, length) {
      report.reads++;
      report.bytesRead += length;
      return file.read(offset, length);
    },
  };
  const before = process.resourceUsage().maxRSS;
  const { format, tensors, warnings } = await readLayout(source, undefined, { strict: true });
  const grownBytes = (process.resourceUsage().maxRSS - before) * 1024;
  await file.close();
  process.stdout.write(
    JSON.stringify({ ...report, format, tensors: tensors.length, warnings, grownBytes }),
  );
}

await main();
