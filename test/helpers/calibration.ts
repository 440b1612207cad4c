/** Times of decoding that stand in a new repository as if they had been measured there. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { seal } from '../../lib/base/bytes/sealed.js';
import { DEFAULT_TABLE, machineName } from '../../lib/storage/archive/calibrate.js';

/**
 * Keeps a table of times in a repository. Measuring takes up to a second, in each repository that is
 * archived; calibrate.test.ts is about that.
 */
export async function keepCalibration(dir: string): Promise<void> {
  const folder = path.join(dir, '.dlv', 'catalog');
  await fs.mkdir(folder, { recursive: true });
  const table = { format: 1, machine: machineName(), table: DEFAULT_TABLE };
  await fs.writeFile(
    path.join(folder, 'calibration'),
    seal(`${JSON.stringify(table)}\n`) as Uint8Array,
  );
}
