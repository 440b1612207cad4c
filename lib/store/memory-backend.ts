/** The backend in memory, for tests and for small repositories that are never written down. */
import type { Backend, BackendWriter } from './backend.js';

export declare class MemoryBackend implements Backend {
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
