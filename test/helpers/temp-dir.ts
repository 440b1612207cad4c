/** A folder of its own for each test, removed when the test ends. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';

/** Makes an empty folder and removes it, with all in it, when the test `t` is over. */
export async function tempDir(t: ExecutionContext): Promise<string> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-test-'));
  t.teardown(() => fs.rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  return dir;
}
