/**
 * Writes files of versions into a folder: each is rebuilt in a temporary place, checked, and renamed.
 *
 * A file that cannot be rebuilt, or a process that is killed, leaves the old file as it was. Nothing
 * is written through a symbolic link. One file at a time exists twice.
 */
import fs from 'node:fs/promises';
import nodePath from 'node:path';
import type { Repository } from '../archive/repository.js';
import { streamFile } from '../archive/stored-file.js';
import {
  type FileStat,
  io,
  ioError,
  isMissing,
  makeDirectory,
  removeFile,
  renameFile,
  sameStat,
  statOrNull,
  WriteFile,
} from '../bytes/files.js';
import { ConflictError, DlvError } from '../errors.js';
import type { FileEntry } from '../repo/file-page.js';
import { TEMPORARY_PREFIX } from '../repo/layout.js';
import { ownIdentity } from '../repo/process-identity.js';
import { holdsFolder, LinkGuard } from '../repo/work-path.js';
import type { OpContext } from './context.js';

let placerNumber = 0;

export class FilePlacer {
  readonly #repo: Repository;
  readonly #root: string;
  readonly #context: OpContext;
  readonly #guard: LinkGuard;
  readonly #number = placerNumber++;
  readonly #devices = new Map<string, number>();
  /** Folder under .dlv/tmp, or null if it cannot be made (read-only media). */
  #tmp: { dir: string; device: number } | null | undefined;
  #files = 0;

  /** @param root folder that the paths of the entries start from; it exists. */
  constructor(repo: Repository, root: string, context: OpContext) {
    this.#repo = repo;
    this.#root = root;
    this.#context = context;
    this.#guard = new LinkGuard(root);
  }

  #target(path: string): string {
    return nodePath.join(this.#root, ...path.split('/'));
  }

  /**
   * Writes one file in place of what is there.
   * @param seen  state of the file when its content was judged; null: there was none.
   * @returns     state of the new file.
   * @throws {CorruptError} if it cannot be rebuilt; {ConflictError} if a link or folder is in the
   *   way, or the file is not as it was seen.
   */
  async write(entry: FileEntry, seen: FileStat | null): Promise<FileStat> {
    const { path } = entry;
    const target = this.#target(path);
    await this.#guard.check(path);
    await makeDirectory(nodePath.dirname(target));
    const temporary = await this.#temporary(target);
    const file = await WriteFile.create(temporary, entry.mode === 0o755 ? 0o777 : 0o666);
    let placed = false;
    try {
      await this.#fill(file, entry);
      await this.#checkSeen(path, seen);
      await renameFile(temporary, target);
      placed = true;
    } finally {
      await file.close().catch(() => {});
      if (!placed) await removeFile(temporary).catch(() => {});
    }
    const there = await statOrNull(target);
    if (there === null) {
      throw new ConflictError(`'${path}' was removed while it was checked out`, { path });
    }
    return there.stat;
  }

  async #fill(file: WriteFile, entry: FileEntry): Promise<void> {
    const { progress, signal } = this.#context;
    const stored = await this.#repo.openFile(entry);
    const options = { onBytes: (count: number) => progress.advance(count) };
    const bytes = streamFile(this.#repo, stored, signal ? { ...options, signal } : options);
    for await (const piece of bytes) await file.write(piece);
    await file.close();
  }

  async #checkSeen(path: string, seen: FileStat | null): Promise<void> {
    const there = await statOrNull(this.#target(path));
    if (there?.isDirectory) throw inTheWay(path);
    const unchanged = there === null ? seen === null : seen !== null && sameStat(there.stat, seen);
    if (unchanged || there === null) return;
    throw new ConflictError(`'${path}' was changed while it was checked out`, {
      path,
      hint: 'it was left as it is; run the command again',
    });
  }

  /** A name for the unfinished file: under .dlv/tmp if a rename can reach the target from there. */
  async #temporary(target: string): Promise<string> {
    const folder = nodePath.dirname(target);
    const tmp = await this.#ownTmp();
    if (tmp !== null && tmp.device === (await this.#device(folder))) {
      return nodePath.join(tmp.dir, String(this.#files++));
    }
    return nodePath.join(folder, `${TEMPORARY_PREFIX}${process.pid}-${this.#files++}`);
  }

  async #device(folder: string): Promise<number> {
    let device = this.#devices.get(folder);
    if (device === undefined) {
      try {
        device = (await fs.stat(folder)).dev;
      } catch (error) {
        throw ioError('stat', folder, error);
      }
      this.#devices.set(folder, device);
    }
    return device;
  }

  async #ownTmp(): Promise<{ dir: string; device: number } | null> {
    if (this.#tmp !== undefined) return this.#tmp;
    const { pid, start } = ownIdentity();
    const dir = nodePath.join(this.#repo.layout.tmpOf(pid, start), `files-${this.#number}`);
    try {
      await makeDirectory(dir);
      this.#tmp = { dir, device: await this.#device(dir) };
    } catch (error) {
      // A repository on read-only media can still be checked out to another place.
      if (!(error instanceof DlvError) || error.code !== 'DLV_IO') throw error;
      this.#tmp = null;
    }
    return this.#tmp;
  }

  /** Removes a file or link and the folders that become empty. A missing one is fine. */
  async remove(path: string): Promise<void> {
    if ((await this.#guard.findLink(path)) !== null) return;
    const target = this.#target(path);
    if ((await statOrNull(target))?.isDirectory) return;
    await removeFile(target);
    const parts = path.split('/');
    while (parts.pop() !== undefined && parts.length > 0) {
      const folder = this.#target(parts.join('/'));
      if (holdsFolder(folder, this.#context.cwd) || !(await removeEmpty(folder))) break;
    }
    this.#guard.forget();
  }

  /** Removes a folder that holds nothing but empty folders. @throws {ConflictError} if it holds more. */
  async removeFolder(path: string): Promise<void> {
    const target = this.#target(path);
    if (!(await statOrNull(target))?.isDirectory) return;
    const walk = async (dir: string): Promise<void> => {
      for (const entry of await fs.readdir(dir, { withFileTypes: true })) {
        if (!entry.isDirectory()) throw inTheWay(path);
        await walk(nodePath.join(dir, entry.name));
      }
      await removeEmpty(dir);
    };
    await walk(target);
    this.#guard.forget();
  }

  /** Removes the temporary folder. */
  async close(): Promise<void> {
    if (!this.#tmp) return;
    await removeEmpty(this.#tmp.dir);
    await removeEmpty(nodePath.dirname(this.#tmp.dir));
  }
}

function inTheWay(path: string): ConflictError {
  return new ConflictError(`cannot write '${path}': a folder of that name holds other files`, {
    path,
    hint: `move the files in '${path}' away`,
  });
}

/** Removes an empty folder. @returns false if it is not empty. */
async function removeEmpty(dir: string): Promise<boolean> {
  try {
    await io.rmdir(dir);
    return true;
  } catch (error) {
    return isMissing(error);
  }
}
