/**
 * Where the files of a repository are: a folder, memory, later HTTP and S3.
 *
 * Names are relative to the root (`packs/….hi`, `manifest`), with '/' between parts. Every backend
 * passes the one suite in test/conformance/store-backend.ts.
 */

/** A new file that grows at its end. */
export interface BackendWriter {
  readonly name: string;
  /** Bytes written so far. */
  readonly offset: number;
  /** Appends; the buffer may be used again once the promise is fulfilled. */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes over bytes that were written. */
  overwrite(offset: number, bytes: Uint8Array): Promise<void>;
  /** Takes back what was written from `offset` on. */
  takeBack(offset: number): Promise<void>;
  /** Makes the bytes durable and closes. */
  syncAndClose(): Promise<void>;
  /** Closes without durability, for a file that is thrown away. */
  close(): Promise<void>;
}

/** An open file that the kernel reads, until it is released. */
export interface LentFile {
  readonly fd: number;
  release(): void;
}

/** Files by name. A missing file is an IoError for which `isMissing` (base/files/io.ts) is true. */
export interface Backend {
  /** Exactly `length` bytes at `offset`, owned by the caller. @throws {TruncatedError} beyond the end. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
  /**
   * As `read`, for files that were written a moment ago: small parts of them are read without a thread. Absent
   * where that makes no difference.
   */
  readWritten?(name: string, offset: number, length: number): Promise<Uint8Array>;
  /**
   * Opens a file that has at least `end` bytes for the kernel; null if it is shorter. Absent where there are
   * no files of the system.
   */
  lendFile?(name: string, end: number): Promise<LentFile | null>;
  /** Bytes of the file. @throws {IoError} if it is missing. */
  size(name: string): Promise<number>;
  exists(name: string): Promise<boolean>;
  /** Names (without the folder) in a folder, sorted; none if there is no such folder. */
  list(dir: string): Promise<string[]>;
  /** Creates a file and the folders above it. @throws {IoError} if it exists. */
  createWriter(name: string): Promise<BackendWriter>;
  /** Moves a file, replacing what has the new name; makes the target's folder. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; a missing one is fine. */
  remove(name: string): Promise<void>;
  /** Replaces a small file so that a reader sees the old or the new bytes, never a mix. */
  writeAtomic(name: string, bytes: Uint8Array): Promise<void>;
  /** Whole content of a small file, never cached. @throws {LimitError} above `maxBytes`. */
  readAll(name: string, maxBytes: number): Promise<Uint8Array>;
  /** Makes the renames in a folder durable. */
  syncDir(dir: string): Promise<void>;
  /** Forgets what is cached, so that the next read sees what other processes put in its place. */
  refresh(): Promise<void>;
  /** Closes what is cached. */
  close(): Promise<void>;
}
