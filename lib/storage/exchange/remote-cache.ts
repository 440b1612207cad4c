/**
 * Copies of what never changes at remotes: indexes of their pack sets, older parts of their lists.
 *
 * Derived: a missing or damaged copy is read from the remote again. @see docs/format/remote.md
 */
import path from 'node:path';
import { isDamage } from '../../base/errors.js';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  statOrNull,
  writeFileAtomic,
} from '../../base/files/files.js';
import { INDEX_BYTES_MAX, REMOTE_LIST_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from '../repo/layout.js';
import type { SetId, SetInfo } from '../store/types.js';

export class RemoteCache {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Bytes of an older part of a list, or null. */
  async list(sha256: string): Promise<Uint8Array | null> {
    try {
      return await readSmallFile(this.#layout.remoteIndex(`${sha256}.list`), REMOTE_LIST_BYTES_MAX);
    } catch (error) {
      if (isMissing(error) || isDamage(error)) return null;
      throw error;
    }
  }

  keepList(sha256: string, bytes: Uint8Array): Promise<void> {
    return this.#keep(`${sha256}.list`, bytes);
  }

  /** Name of the copy of an index relative to .dlv, or null if there is none of that size. */
  async index(info: SetInfo): Promise<string | null> {
    const file = this.#layout.remoteIndex(`${info.id}.idx`);
    const there = await statOrNull(file);
    return there?.isFile && there.stat.size === info.bytes.idx ? this.#layout.nameOf(file) : null;
  }

  keepIndex(id: SetId, bytes: Uint8Array): Promise<void> {
    return bytes.length > INDEX_BYTES_MAX ? Promise.resolve() : this.#keep(`${id}.idx`, bytes);
  }

  async #keep(name: string, bytes: Uint8Array): Promise<void> {
    const file = this.#layout.remoteIndex(name);
    await makeDirectory(path.dirname(file));
    await writeFileAtomic(file, bytes);
  }
}
