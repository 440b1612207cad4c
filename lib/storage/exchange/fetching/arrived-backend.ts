/** Pack sets that have arrived as a backend, so that they can be read as if they were listed. */
import { NotFoundError } from '../../../base/errors.js';
import type { Backend, BackendWriter, LentFile } from '../../store/backends/backend.js';
import { MANIFEST_NAME, packName } from '../../store/names.js';
import { FILE_CLASSES, type SealedSet } from '../../store/types.js';

/** Files of sets that are not listed yet, under the names that they will have. */
export class ArrivedBackend implements Backend {
  readonly #local: Backend;
  readonly #names = new Map<string, string>();
  #manifest: Uint8Array | null = null;

  constructor(local: Backend, sealed: readonly SealedSet[]) {
    this.#local = local;
    for (const { info, files } of sealed) {
      for (const fileClass of FILE_CLASSES) {
        const file = files[fileClass];
        if (file !== undefined) this.#names.set(packName(info.id, fileClass), file);
      }
    }
  }

  /** From now on this is the manifest. */
  useManifest(manifest: Uint8Array): void {
    this.#manifest = manifest;
  }

  list(folder: string): Promise<string[]> {
    return this.#local.list(folder);
  }

  #name(name: string): string {
    return this.#names.get(name) ?? name;
  }

  read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const arrived = this.#names.get(name);
    return arrived === undefined || this.#local.readWritten === undefined
      ? this.#local.read(arrived ?? name, offset, length)
      : this.#local.readWritten(arrived, offset, length);
  }
  async lendFile(name: string, end: number): Promise<LentFile | null> {
    return (await this.#local.lendFile?.(this.#name(name), end)) ?? null;
  }
  size(name: string): Promise<number> {
    return this.#local.size(this.#name(name));
  }
  exists(name: string): Promise<boolean> {
    return this.#local.exists(this.#name(name));
  }
  async readAll(name: string, maxBytes: number): Promise<Uint8Array> {
    if (name === MANIFEST_NAME && this.#manifest !== null) return this.#manifest;
    return this.#local.readAll(this.#name(name), maxBytes);
  }
  refresh(): Promise<void> {
    return this.#local.refresh();
  }
  createWriter(name: string): Promise<BackendWriter> {
    throw notHere(name);
  }
  rename(name: string): Promise<void> {
    throw notHere(name);
  }
  remove(name: string): Promise<void> {
    throw notHere(name);
  }
  writeAtomic(name: string): Promise<void> {
    throw notHere(name);
  }
  syncDir(name: string): Promise<void> {
    throw notHere(name);
  }
  async close(): Promise<void> {}
}

function notHere(name: string): NotFoundError {
  return new NotFoundError(`'${name}' has only arrived`, { kind: 'file', name });
}
