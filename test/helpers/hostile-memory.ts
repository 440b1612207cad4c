/** Reads a hostile file in a process with a small heap and checks what that took. */
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { LAYOUT_MEMORY_BASE_BYTES, LAYOUT_MEMORY_FACTOR } from '../../lib/base/limits.js';
import type { HostileFile } from './hostile-files.js';
import { PROJECT_ROOT } from './paths.js';
import type { LayoutReport } from './read-layout.js';
import { tempDir } from './temp-dir.js';

const MIB = 1024 * 1024;
const SCRIPT = path.join(PROJECT_ROOT, 'dist', 'test', 'helpers', 'read-layout.js');
/** Room for garbage: V8 ends a process also when it collects too often near its bound. */
const GARBAGE_BYTES = 32 * MIB;

/** A layout or a blob with one warning, in the memory that the structure explains, read once. */
export async function checkMemory(t: ExecutionContext, hostile: HostileFile): Promise<void> {
  const file = path.join(await tempDir(t), 'hostile');
  await fs.writeFile(file, hostile.bytes);
  const allowed = LAYOUT_MEMORY_FACTOR * hostile.structureBytes + LAYOUT_MEMORY_BASE_BYTES;
  const heap = Math.ceil((allowed + GARBAGE_BYTES) / MIB);
  const args = [`--max-old-space-size=${heap}`, '--max-semi-space-size=4', SCRIPT, file];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const report = JSON.parse(stdout) as LayoutReport;
  if (report.format === 'blob') t.true(report.warnings.length <= 1, report.warnings.join());
  t.true(
    report.grownBytes < allowed + 2 * GARBAGE_BYTES,
    `${report.grownBytes >> 20} MiB for ${hostile.structureBytes >> 10} KiB: ${report.warnings}`,
  );
  t.true(report.bytesRead < 4 * hostile.bytes.length + MIB, `${report.bytesRead} bytes read`);
  t.true(report.reads < 100 + hostile.bytes.length / 512, `${report.reads} reads`);
}
