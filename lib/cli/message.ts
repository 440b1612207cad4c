/** The message of a version: from `-m`, from a file, or from stdin. */
import path from 'node:path';
import { UsageError } from '../base/errors.js';
import { MESSAGE_BYTES_MAX } from '../base/limits.js';

/**
 * The message that the flags give, or null if there are none. Several `-m` are paragraphs.
 * @param cwd  folder that `file` is taken from; '-' is stdin.
 * @throws {UsageError} {NotFoundError}
 */
export async function readMessage(
  texts: readonly string[] | undefined,
  file: string | undefined,
  cwd: string,
): Promise<string | null> {
  if (file === undefined) return texts === undefined ? null : texts.join('\n\n');
  if (texts !== undefined) {
    throw new UsageError('-m and -F are given', { hint: 'give the message once' });
  }
  const bytes = file === '-' ? await readStdin() : await readFile(path.resolve(cwd, file));
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.replace(/^\s*\n/, '').trimEnd();
  } catch {
    throw new UsageError(`the message in '${file}' is not valid UTF-8`);
  }
}

async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MESSAGE_BYTES_MAX) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function readFile(file: string): Promise<Uint8Array> {
  const { readMessageFile } = await import('../use/worktree/message-file.js');
  return readMessageFile(file);
}

function tooLong(): UsageError {
  return new UsageError(`the message is over ${MESSAGE_BYTES_MAX} bytes`);
}
