/** Lines of requests: bytes in, one request or one error at a time. @see docs/batch.md */
import { LimitError, UsageError } from '../../base/errors.js';
import { BATCH_LINE_BYTES_MAX, BATCH_WORDS_MAX, NAME_BYTES_MAX } from '../../base/limits.js';

/** What a program asks for. */
export interface Request {
  id: number | string;
  /** Name of a command, or `cancel`. */
  op: string;
  /** Words of its command line. */
  args: readonly string[];
  /** Folder that it runs in. */
  cwd?: string;
  /** The bytes of files and tensors are wanted, as frames. */
  data: boolean;
  /** Events of progress are wanted. */
  progress: boolean;
  /** Of `cancel`: the request that is to end. */
  target?: number | string;
}

/** A line that is no request; `id` is that of the line if it can be read. */
export interface BadRequest {
  id: number | string | null;
  error: UsageError | LimitError;
}

export type Line = Request | BadRequest;

const MEMBERS = new Set(['id', 'op', 'args', 'cwd', 'data', 'progress', 'target']);
const HINT = { hint: 'docs/batch.md describes requests' };

/**
 * Cuts input into lines. One that is too long is dropped up to its end, which costs no memory; what is
 * left at the end of the input is half a line, and no request.
 */
export async function* readRequests(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of input) {
    let at = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, at);
      const part = chunk.subarray(at, end < 0 ? chunk.length : end);
      length += part.length;
      if (length <= BATCH_LINE_BYTES_MAX) parts.push(part);
      else parts = [];
      if (end < 0) break;
      if (length > BATCH_LINE_BYTES_MAX) yield tooLong();
      else {
        const line = Buffer.concat(parts);
        if (line.some((byte) => byte !== 0x20 && byte !== 0x0d)) yield parseRequest(line);
      }
      parts = [];
      length = 0;
      at = end + 1;
    }
  }
  if (length > BATCH_LINE_BYTES_MAX) yield tooLong();
  else if (length > 0) yield bad(null, 'the input ends within a line');
}

function tooLong(): BadRequest {
  const message = `a request is over ${BATCH_LINE_BYTES_MAX} bytes`;
  return { id: null, error: new LimitError(message, HINT) };
}

function bad(id: BadRequest['id'], message: string): BadRequest {
  return { id, error: new UsageError(message, HINT) };
}

function isId(id: unknown): id is number | string {
  if (typeof id === 'string') return Buffer.byteLength(id) <= NAME_BYTES_MAX;
  return Number.isSafeInteger(id);
}

function isText(text: unknown): text is string {
  return typeof text === 'string' && !text.includes('\0');
}

/** Reads one line. */
export function parseRequest(line: Uint8Array): Line {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch {
    return bad(null, 'a line is no JSON in UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return bad(null, 'a line is no JSON object');
  }
  const {
    id,
    op,
    args = [],
    cwd,
    data = false,
    progress = false,
    target,
  } = value as Record<string, unknown>;
  if (!isId(id)) return bad(null, 'a request has no id: a whole number or a text');
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) return bad(id, `a request has the unknown member '${unknown}'`);
  if (!isText(op)) return bad(id, 'a request has no op: the name of a command');
  if (!Array.isArray(args) || args.length > BATCH_WORDS_MAX || !args.every(isText)) {
    return bad(id, `args are no list of at most ${BATCH_WORDS_MAX} texts`);
  }
  if (cwd !== undefined && !isText(cwd)) return bad(id, 'cwd is no text');
  if (typeof data !== 'boolean') return bad(id, 'data is not true or false');
  if (typeof progress !== 'boolean') return bad(id, 'progress is not true or false');
  if ((op === 'cancel') !== isId(target)) return bad(id, "cancel, and no other op, has a 'target'");
  return {
    ...{ id, op, args, data, progress },
    ...(cwd === undefined ? {} : { cwd }),
    ...(isId(target) ? { target } : {}),
  };
}
