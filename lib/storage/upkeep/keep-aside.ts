/** Keeps a copy of a file in trash before it is replaced. */
import path from 'node:path';
import {
  io,
  ioError,
  isMissing,
  makeDirectory,
  ReadFile,
  WriteFile,
} from '../../base/bytes/files.js';
import type { Layout } from '../repo/layout.js';

const COPY_BYTES = 4 * 1024 * 1024;
let number = 0;

/**
 * Links (or copies, where there are no links) a file of .dlv into trash/.
 * @param name relative to .dlv, with '/'. A file that is not there is fine.
 * @returns the path of the copy relative to .dlv, or null.
 */
export async function keepAside(layout: Layout, name: string): Promise<string | null> {
  const file = path.join(layout.dir, ...name.split('/'));
  const copy = `${Date.now()}-${process.pid}-${number++}-${path.posix.basename(name)}`;
  const target = path.join(layout.trash, copy);
  await makeDirectory(layout.trash);
  try {
    await io.link(file, target);
  } catch (error) {
    if (isMissing(error)) return null;
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EMLINK') {
      throw ioError('keep a copy of', file, error);
    }
    await copyFile(file, target);
  }
  return `trash/${copy}`;
}

async function copyFile(from: string, to: string): Promise<void> {
  const source = await ReadFile.open(from);
  try {
    const target = await WriteFile.create(to);
    try {
      for (let at = 0; at < source.size; at += COPY_BYTES) {
        await target.write(await source.read(at, Math.min(COPY_BYTES, source.size - at)));
      }
      await target.syncAndClose();
    } finally {
      await target.close().catch(() => {});
    }
  } finally {
    await source.close();
  }
}
