/** Whether a file is what DVC's name for it says. */
import { createHash } from 'node:crypto';
import { ReadFile } from '../../base/files/read-file.js';
import type { ContentCheck } from './source.js';

/** Bytes that DVC read at once; it changed the ends of lines in each such piece. */
const PIECE_BYTES = 1 << 20;

/** @param file  is read once, or twice if it may be a text that was hashed with other ends of lines. */
export async function isOfMd5(file: string, { kind, hex }: ContentCheck): Promise<boolean> {
  if ((await md5Of(file, (bytes) => bytes)) === hex) return true;
  return kind === 'md5 of text' && (await md5Of(file, withEndsOfUnix)) === hex;
}

async function md5Of(file: string, change: (bytes: Uint8Array) => Uint8Array): Promise<string> {
  const hash = createHash('md5');
  const source = await ReadFile.open(file);
  try {
    for (let at = 0; at < source.size; at += PIECE_BYTES) {
      hash.update(change(await source.read(at, Math.min(PIECE_BYTES, source.size - at))));
    }
  } finally {
    await source.close();
  }
  return hash.digest('hex');
}

/** Without the CR of each CRLF. */
function withEndsOfUnix(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}
