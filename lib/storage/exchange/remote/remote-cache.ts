/**
 * Copies of what never changes at remotes: indexes of their pack sets, older parts of their lists; and what was
 * found out about them, uploads that have begun among it.
 *
 * Derived: a missing or damaged copy is read from the remote again. @see docs/format/remote.md
 */
import path from 'node:path';
import { sha256Hex } from '../../../base/bytes/hash.js';
import { isDamage } from '../../../base/errors.js';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  removeFile,
  statOrNull,
  writeFileAtomic,
} from '../../../base/files/files.js';
import {
  INDEX_BYTES_MAX,
  REMOTE_LIST_BYTES_MAX,
  STATE_FILE_BYTES_MAX,
} from '../../../base/limits.js';
import type { Layout } from '../../repo/layout.js';
import type { SetId, SetInfo } from '../../store/types.js';
import type { BegunUpload, UploadMemory } from '../transports/s3/s3-upload.js';

export class RemoteCache implements UploadMemory {
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

  /** True if something was found out before. @param fact  64 hex digits. */
  async knows(fact: string): Promise<boolean> {
    return (await statOrNull(this.#layout.remoteIndex(`${fact}.fact`))) !== null;
  }

  keepFact(fact: string): Promise<void> {
    return this.#keep(`${fact}.fact`, new Uint8Array(0));
  }

  async forgetFact(fact: string): Promise<void> {
    await removeFile(this.#layout.remoteIndex(`${fact}.fact`)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  /** An upload in parts that has begun, and was not ended yet. @param key  the URL of the object. */
  async begun(key: string): Promise<BegunUpload | null> {
    try {
      const bytes = await readSmallFile(this.#upload(key), STATE_FILE_BYTES_MAX);
      const [, id = '', partBytes] =
        /^(\S+) (\d{1,15})\n$/.exec(Buffer.from(bytes).toString('utf8')) ?? [];
      return id === '' ? null : { id, partBytes: Number(partBytes) };
    } catch (error) {
      if (isMissing(error) || isDamage(error)) return null;
      throw error;
    }
  }

  async keepBegun(key: string, upload: BegunUpload | null): Promise<void> {
    const file = this.#upload(key);
    if (upload !== null) {
      await this.#keep(path.basename(file), Buffer.from(`${upload.id} ${upload.partBytes}\n`));
    } else if ((await statOrNull(file)) !== null) await removeFile(file);
  }

  #upload(key: string): string {
    return this.#layout.remoteIndex(`${sha256Hex(Buffer.from(key))}.upload`);
  }

  async #keep(name: string, bytes: Uint8Array): Promise<void> {
    const file = this.#layout.remoteIndex(name);
    await makeDirectory(path.dirname(file));
    await writeFileAtomic(file, bytes);
  }
}
