/** A folder of its own for each test, removed when the test ends. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';

/** Makes an empty folder and removes it, with all in it, when the test `t` is over. */
export function tempDir(t: ExecutionContext): Promise<string> {
  return makeDir(t, os.tmpdir());
}

/** As tempDir, but on a disk even where a run keeps its files in memory: the two differ in what they do. */
export function diskDir(t: ExecutionContext): Promise<string> {
  return makeDir(t, process.env.DLV_TEST_DISK ?? os.tmpdir());
}

/** As tempDir, but in memory where there is room, in slow runs too: for thousands of small repositories. */
export function memoryDir(t: ExecutionContext): Promise<string> {
  return makeDir(t, process.env.DLV_TEST_MEMORY ?? os.tmpdir());
}

async function makeDir(t: ExecutionContext, parent: string): Promise<string> {
  const dir = await fs.mkdtemp(path.join(parent, 'dlv-test-'));
  t.teardown(() => fs.rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  return dir;
}
