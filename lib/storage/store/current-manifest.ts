/**
 * The manifest as it was read last, and look-ups that read it again.
 *
 * Readers take no lock: one that misses a key or a file reads the manifest again, and what remotes promised.
 */
import { isDamage } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import type { Backend } from './backends/backend.js';
import { goneError } from './gone-error.js';
import { decodeManifest } from './manifest.js';
import { MANIFEST_NAME } from './names.js';
import { type ReadManifest, readManifest, readManifestBytes } from './publish.js';
import type { SetId, SetInfo } from './types.js';

/** Look-ups of one key; each after the first because the manifest changed under the one before. */
const LOOK_UPS_MAX = 4;

export class CurrentManifest {
  /** Reads again what remotes promised, which another process may have changed; null: nothing is promised. */
  readPromises: (() => Promise<void>) | null = null;
  readonly #backend: Backend;
  readonly #onDropped: (set: SetId) => void;
  #manifest: ReadManifest;

  private constructor(backend: Backend, manifest: ReadManifest, onDropped: (set: SetId) => void) {
    this.#backend = backend;
    this.#manifest = manifest;
    this.#onDropped = onDropped;
  }

  /** @param onDropped  is told of sets that are listed no more. @throws {CorruptError} if it is missing or damaged. */
  static async read(backend: Backend, onDropped: (set: SetId) => void): Promise<CurrentManifest> {
    return new CurrentManifest(backend, await readManifest(backend), onDropped);
  }

  get generation(): number {
    return this.#manifest.generation;
  }

  get sets(): readonly SetInfo[] {
    return this.#manifest.sets;
  }

  /** Reads the manifest again; true if it changed. */
  async reload(): Promise<boolean> {
    const bytes = await readManifestBytes(this.#backend);
    if (Buffer.compare(bytes, this.#manifest.bytes) === 0) return false;
    const manifest = { ...decodeManifest(bytes, MANIFEST_NAME), bytes };
    // It was promised before it was listed.
    await this.readPromises?.();
    this.use(manifest);
    return true;
  }

  /** Reads the manifest again, and what remotes promised even if it is the same: files may have gone since. */
  async renew(): Promise<void> {
    if (!(await this.reload())) await this.readPromises?.();
  }

  /** Puts a manifest in the place of the one that was read last. */
  use(manifest: ReadManifest): void {
    const live = new Set(manifest.sets.map((info) => info.id));
    for (const info of this.#manifest.sets) if (!live.has(info.id)) this.#onDropped(info.id);
    this.#manifest = manifest;
  }

  /**
   * Runs a look-up; if it misses or a file is gone, reads the manifest again, and retries if that is
   * another one than the look-up began with: look-ups overlap, so that the reload of one may already
   * have brought what the other needs. Files of a listed set go where a remote promised them, so that is
   * read again as well. Damage is looked at twice, because another process may have put a repaired file
   * in the place of the one that is open here.
   */
  async retrying<T>(isMiss: (found: T) => boolean, lookUp: () => Promise<T>): Promise<T> {
    let refreshed = false;
    let reread = false;
    for (let attempt = 1; ; attempt++) {
      const before = this.#manifest;
      const result = await lookUp().then(
        (found) => ({ found }),
        (error: unknown) => {
          if (isMissing(error)) return { gone: goneError(error) };
          if (isDamage(error) && !refreshed) return { damage: error };
          throw error;
        },
      );
      if ('damage' in result) {
        refreshed = true;
        await this.#backend.refresh();
        await this.reload();
        continue;
      }
      if ('found' in result && !isMiss(result.found)) return result.found;
      if (this.#manifest === before) await this.reload();
      if (this.#manifest !== before && attempt < LOOK_UPS_MAX) continue;
      if (!('gone' in result)) return result.found;
      if (reread || this.readPromises === null) throw result.gone;
      reread = true;
      await this.readPromises();
    }
  }
}
