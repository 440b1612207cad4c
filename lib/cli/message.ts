/** Texts that a person gives: the message of a version, from `-m`, from a file or from stdin. */
import path from 'node:path';
import { UsageError } from '../base/errors.js';
import { MESSAGE_BYTES_MAX } from '../base/limits.js';
import type { Run } from './run.js';

/** Where texts are read from. */
type Source = Pick<Run, 'context' | 'input'>;

/**
 * The message that the flags give, or null if there are none. Several `-m` are paragraphs.
 * @param file  relative to the context's folder; '-' is stdin.
 * @throws {UsageError} {NotFoundError}
 */
export async function readMessage(
  texts: readonly string[] | undefined,
  file: string | undefined,
  source: Source,
): Promise<string | null> {
  if (file === undefined) return texts === undefined ? null : texts.join('\n\n');
  if (texts !== undefined) {
    throw new UsageError('-m and -F are given', { hint: 'give the message once' });
  }
  return (await readText(file, source, 'message')).replace(/^\s*\n/, '').trimEnd();
}

/** Text of a file, or of stdin where it is '-'. @param what  what it is, for errors. @throws {UsageError} {NotFoundError} */
export async function readText(file: string, source: Source, what: string): Promise<string> {
  const bytes =
    file === '-'
      ? await readStdin(source.input(), what)
      : await readFile(path.resolve(source.context.cwd, file));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`the ${what} in '${file}' is not valid UTF-8`);
  }
}

async function readStdin(input: AsyncIterable<Uint8Array>, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > MESSAGE_BYTES_MAX)
      throw new UsageError(`the ${what} is over ${MESSAGE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function readFile(file: string): Promise<Uint8Array> {
  const { readMessageFile } = await import('../use/worktree/message-file.js');
  return readMessageFile(file);
}
