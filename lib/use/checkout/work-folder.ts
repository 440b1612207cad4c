/**
 * How files get into a folder and out of it: a new file is made in a temporary place and renamed, an old
 * one is removed with the folders that become empty.
 *
 * A process that is killed or a power cut leaves each file old or new, never half; after `sync` the new
 * ones are on the disk. Nothing is written through a symbolic link.
 */
import nodePath from 'node:path';
import { forEachLimit } from '../../base/bytes/for-each-limit.js';
import { ConflictError, DlvError } from '../../base/errors.js';
import {
  type FileStat,
  listEntries,
  makeDirectory,
  noRoom,
  removeEmptyFolder,
  removeFile,
  renameFile,
  sameStat,
  statOrNull,
  syncDirectory,
  WriteFile,
} from '../../base/files/files.js';
import { deviceOf, freeBytes } from '../../base/files/places/disks.js';
import type { Layout } from '../../storage/repo/layout.js';
import { removeUnfinished } from '../../storage/repo/processes/abandoned.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { holdsFolder, LinkGuard } from '../../storage/repo/work-path.js';

/** Folders that are synced at once: the disk takes many in one wait. */
const SYNCS_AT_ONCE = 32;

/** A file to be written. */
export interface WantedFile {
  readonly entry: FileEntry;
  /** State of the file when its content was judged; null: there was none. */
  readonly seen: FileStat | null;
}

/** A file that is being written in a temporary place. */
export interface UnfinishedFile {
  readonly file: WriteFile;
  readonly temporary: string;
}

/** A folder that files of versions are written into and removed from: the work tree, or one of its own. */
export class WorkFolder {
  readonly #layout: Layout;
  readonly #root: string;
  readonly #cwd: string;
  readonly #guard: LinkGuard;
  readonly #devices = new Map<string, number>();
  /** Folder under .dlv/tmp, or null if it cannot be made (read-only media). */
  #tmp: { dir: string; device: number } | null | undefined;
  #files = 0;
  /** Folders that are there. */
  readonly #there = new Set<string>();
  /** Folders whose names changed since they were synced. */
  readonly #changed = new Set<string>();
  /** Folders on another disk from which leftovers of killed commands were removed. */
  readonly #cleared = new Set<string>();

  /**
   * @param root  folder that the paths of the entries start from; it exists.
   * @param cwd   the folder that the user is in, which is never removed.
   */
  constructor(layout: Layout, root: string, cwd: string) {
    this.#layout = layout;
    this.#root = root;
    this.#cwd = cwd;
    this.#guard = new LinkGuard(root);
  }

  #target(path: string): string {
    return nodePath.join(this.#root, ...path.split('/'));
  }

  /**
   * Looks whether the disk has room before anything is written: a version of few bytes can expand to
   * files of terabytes. Each file exists twice until it takes the place of the old one.
   * @throws {IoError}
   */
  async checkRoom(wanted: readonly WantedFile[]): Promise<void> {
    let free = await freeBytes(this.#root);
    if (free === null) return;
    const before = free;
    for (const { entry, seen } of wanted) {
      if (entry.size > free && (await this.#isOnDiskOfRoot(entry.path))) {
        const bytes = wanted.reduce((sum, file) => sum + file.entry.size, 0);
        throw noRoom(`cannot write '${entry.path}'`, {
          file: this.#target(entry.path),
          needed: bytes,
          free: before,
          hint: 'free some disk space, or check out single files or tensors; nothing was written',
        });
      }
      free += (seen?.size ?? 0) - entry.size;
    }
  }

  /** False if another disk is mounted in between. */
  async #isOnDiskOfRoot(path: string): Promise<boolean> {
    const parts = path.split('/');
    while (parts.pop() !== undefined && parts.length > 0) {
      const folder = this.#target(parts.join('/'));
      if ((await statOrNull(folder)) === null) continue;
      return (await this.#device(folder)) === (await this.#device(this.#root));
    }
    return true;
  }

  /** Makes the temporary file of one that is to be placed. @throws {ConflictError} for a link in the way. */
  async begin({ path, mode }: FileEntry): Promise<UnfinishedFile> {
    const target = this.#target(path);
    await this.#guard.check(path);
    await this.#makeFolder(nodePath.dirname(target));
    const file = await this.#create(target, mode === 0o755 ? 0o777 : 0o666);
    return { file, temporary: file.path };
  }

  /** Makes a folder; `sync` puts its name on the disk. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#there.has(folder)) return;
    const top = await makeDirectory(folder);
    this.#there.add(folder);
    if (top === null) return;
    for (let made = folder; ; made = nodePath.dirname(made)) {
      this.#changed.add(nodePath.dirname(made));
      if (made === top) return;
    }
  }

  /**
   * Puts a whole file in its place.
   * @throws {ConflictError} if what is there is not as it was seen.
   */
  async place({ entry, seen }: WantedFile, { file, temporary }: UnfinishedFile): Promise<FileStat> {
    const { path } = entry;
    const target = this.#target(path);
    await file.syncAndClose();
    await this.#checkSeen(path, seen);
    await renameFile(temporary, target);
    this.#changed.add(nodePath.dirname(target));
    const there = await statOrNull(target);
    if (there === null) {
      throw new ConflictError(`'${path}' was removed while it was checked out`, { path });
    }
    return there.stat;
  }

  async #checkSeen(path: string, seen: FileStat | null): Promise<void> {
    const there = await statOrNull(this.#target(path));
    if (there?.isDirectory) throw inTheWay(path);
    const unchanged = there === null ? seen === null : seen !== null && sameStat(there.stat, seen);
    if (unchanged || there === null) return;
    throw new ConflictError(`'${path}' was changed while it was checked out`, {
      path,
      hint: 'it was not changed; run the command again',
    });
  }

  /** Makes the unfinished file of `target`: under .dlv/tmp if a rename can reach it from there. */
  async #create(target: string, mode: number): Promise<WriteFile> {
    const folder = nodePath.dirname(target);
    const tmp = await this.#ownTmp();
    if (tmp === null || tmp.device !== (await this.#device(folder))) {
      if (!this.#cleared.has(folder)) await removeUnfinished(folder);
      this.#cleared.add(folder);
      return WriteFile.createTemporary(target, mode);
    }
    return WriteFile.create(nodePath.join(tmp.dir, String(this.#files++)), mode, target);
  }

  async #device(folder: string): Promise<number> {
    let device = this.#devices.get(folder);
    if (device === undefined) {
      device = await deviceOf(folder);
      this.#devices.set(folder, device);
    }
    return device;
  }

  async #ownTmp(): Promise<{ dir: string; device: number } | null> {
    if (this.#tmp !== undefined) return this.#tmp;
    const dir = this.#layout.newWork('files');
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
    const parts = path.split('/').slice(0, -1);
    for (; parts.length > 0; parts.pop()) {
      const folder = this.#target(parts.join('/'));
      if (holdsFolder(folder, this.#cwd) || !(await removeEmptyFolder(folder))) break;
    }
    this.#changed.add(this.#target(parts.join('/')));
    this.#forget();
  }

  /** Removes a folder that holds nothing but empty folders. @throws {ConflictError} if it holds more. */
  async removeFolder(path: string): Promise<void> {
    const target = this.#target(path);
    if (!(await statOrNull(target))?.isDirectory) return;
    const walk = async (dir: string): Promise<void> => {
      for (const entry of await listEntries(dir)) {
        if (!entry.isDirectory()) throw inTheWay(path);
        await walk(nodePath.join(dir, entry.name));
      }
      await removeEmptyFolder(dir);
    };
    await walk(target);
    this.#changed.add(nodePath.dirname(target));
    this.#forget();
  }

  /** Forgets which folders are there and plain. */
  #forget(): void {
    this.#guard.forget();
    this.#there.clear();
  }

  /** Waits until what was written and removed is on the disk: until then nobody may be told of it. */
  async sync(): Promise<void> {
    await forEachLimit([...this.#changed], SYNCS_AT_ONCE, async (folder) => {
      // One that is gone was removed after it had changed; the folder above it is here too.
      if ((await statOrNull(folder)) !== null) await syncDirectory(folder);
    });
    this.#changed.clear();
  }

  /** Removes the temporary folder. */
  async close(): Promise<void> {
    if (!this.#tmp) return;
    await removeEmptyFolder(this.#tmp.dir);
    await removeEmptyFolder(nodePath.dirname(this.#tmp.dir));
  }
}

function inTheWay(path: string): ConflictError {
  return new ConflictError(`cannot write '${path}': a folder of that name holds other files`, {
    path,
    hint: `move the files in '${path}' away`,
  });
}
