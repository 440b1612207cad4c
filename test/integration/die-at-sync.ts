/**
 * Ends the command at an fsync, as kill -9 would: node loads this file before it. The first process of a pid
 * namespace cannot kill itself by a signal.
 */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

const NAME = 'DLV_TEST_DIE_AT';

/** The environment of a command that is gone at its n-th fsync. */
export function dyingAt(n: number): Record<string, string> {
  return { NODE_OPTIONS: `--import=${import.meta.url}`, [NAME]: String(n) };
}

const at = Number(process.env[NAME]);
if (at > 0) {
  let calls = 0;
  const count = (): void => {
    if (++calls === at) process.exit(137);
  };
  const fsync = (_fd: number, done: fs.NoParamCallback): void => {
    count();
    done(null);
  };
  Object.assign(fs, { fsync });
  const handle = await fs.promises.open(fileURLToPath(import.meta.url));
  Object.assign(Object.getPrototypeOf(handle), { sync: async () => count() });
  await handle.close();
}
