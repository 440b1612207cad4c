/**
 * The temporary folder of a test run: its own, in memory where there is room, and empty at the end.
 *
 * Tests sync thousands of small files. A disk takes milliseconds for each, memory none.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const SHARED_MEMORY = '/dev/shm';
/** Type of tmpfs, as statfs says it. */
export const TMPFS_MAGIC = 0x01021994;
/** Far more than all tests hold at one time. */
const ROOM_BYTES = 4 * 1024 ** 3;

/** True if `/dev/shm` is in memory, has room, and programs and addons may be loaded from it. */
async function hasSharedMemory(): Promise<boolean> {
  try {
    const mounts = await fs.readFile('/proc/self/mounts', 'utf8');
    const mount = mounts.split('\n').findLast((line) => line.split(' ')[1] === SHARED_MEMORY);
    if (mount === undefined || mount.split(' ')[3]?.split(',').includes('noexec')) return false;
    await fs.access(SHARED_MEMORY, fs.constants.W_OK);
    const { type, bavail, bsize } = await fs.statfs(SHARED_MEMORY);
    return type === TMPFS_MAGIC && bavail * bsize >= ROOM_BYTES && os.freemem() >= ROOM_BYTES;
  } catch {
    return false;
  }
}

/** Makes the folder. @param inMemory  allows memory, unless TMPDIR says where temporary files go. */
export async function makeRunFolder(inMemory: boolean): Promise<string> {
  const chosen = process.env.TMPDIR !== undefined;
  const parent = inMemory && !chosen && (await hasSharedMemory()) ? SHARED_MEMORY : os.tmpdir();
  const folder = await fs.mkdtemp(path.join(parent, 'dlv-run-'));
  // Some tests run commands as another user.
  await fs.chmod(folder, 0o755);
  return folder;
}

/** Removes the folder. @returns names of what tests have left in it. */
export async function removeRunFolder(folder: string): Promise<string[]> {
  const left = await fs.readdir(folder);
  await fs.rm(folder, { recursive: true, force: true, maxRetries: 3 });
  return left.sort();
}
