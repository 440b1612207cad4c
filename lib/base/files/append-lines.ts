/** Appends lines to files such as reflogs. */
import path from 'node:path';
import { copyFile, renameFile, syncDirectory } from './files.js';
import { io, ioError } from './io.js';
import { withTemporaryName } from './temporary-name.js';

const LINE_FEED = 0x0a;

/**
 * Appends lines to a file, which is made if it is not there. A last line that was torn is ended first.
 * A file that has other names (hard links) is replaced by a copy of its own, since the other names may
 * be anybody's.
 * @param how.sync  puts the lines, and the name of the file, on the disk before this returns.
 * @returns the size of the file before.
 */
export async function appendLines(
  file: string,
  lines: string,
  how: { sync?: boolean } = {},
): Promise<number> {
  try {
    let handle = await io.open(file, 'a+');
    try {
      if ((await handle.stat({ bigint: true })).nlink > 1n) {
        await handle.close();
        await detachFile(file);
        handle = await io.open(file, 'a+');
      }
      const size = Number((await handle.stat({ bigint: true })).size);
      const tail = Buffer.alloc(1, LINE_FEED);
      if (size > 0) await handle.read(tail, 0, 1, size - 1);
      let rest: Uint8Array = Buffer.from((tail[0] === LINE_FEED ? '' : '\n') + lines);
      while (rest.length > 0) rest = rest.subarray(await io.write(handle, rest));
      if (how.sync) await io.fsync(handle);
      if (how.sync) await syncDirectory(path.dirname(file));
      return size;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError('append to', file, error);
  }
}

/** Replaces a name that shares its file with other names (hard links) by a copy of its own. */
async function detachFile(file: string): Promise<void> {
  const temporary = await withTemporaryName(path.dirname(file), async (name) => {
    await copyFile(file, name, file);
    return name;
  });
  try {
    await renameFile(temporary, file);
  } catch (error) {
    await io.unlink(temporary).catch(() => {});
    throw error;
  }
}
