/** The backend over a folder of the file system. */
import type { Backend, BackendWriter } from './backend.js';

export declare class FolderBackend implements Backend {
  readonly root: string;
  /** @param root the `.dlv` folder. */
  constructor(root: string, options?: { openFilesMax?: number });
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
  size(name: string): Promise<number>;
  exists(name: string): Promise<boolean>;
  list(dir: string): Promise<string[]>;
  createWriter(name: string): Promise<BackendWriter>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  writeAtomic(name: string, bytes: Uint8Array): Promise<void>;
  readAll(name: string, maxBytes: number): Promise<Uint8Array>;
  syncDir(dir: string): Promise<void>;
  close(): Promise<void>;
}
