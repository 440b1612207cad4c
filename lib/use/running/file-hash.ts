import { sha256 } from '../../base/bytes/hash.js';
import { ReadFile } from '../../base/files/files.js';

const HASHED_BYTES = 4 * 1024 * 1024;

/** Hex sha256 of a file. @throws {IoError} */
export async function hashOf(file: string): Promise<string> {
  const source = await ReadFile.open(file);
  try {
    const hash = sha256();
    for (let at = 0; at < source.size; at += HASHED_BYTES) {
      hash.update(await source.read(at, Math.min(HASHED_BYTES, source.size - at)));
    }
    return hash.digest('hex');
  } finally {
    await source.close();
  }
}
