/** Reads a part of an object of a web server or bucket, and asks again for what a broken answer did not bring. */
import { RemoteError } from '../../../base/errors.js';
import { TRANSFER_PIECE_BYTES } from '../../../base/limits.js';
import type { HttpAnswer } from './http-answer.js';
import type { HttpClient } from './http-client.js';
import { StalledError } from './low-speed.js';
import { shortObject } from './object-there.js';
import type { ByteRange, ReadOptions } from './transport.js';

/** Answers that break off before so many bytes are borne so often. */
const LEAST_BYTES = 64 * 1024;
const SLOW_MAX = 20;
/** Those that stall, less often: each takes as long as a server is waited for. */
const STALLS_MAX = 3;

/** An object that is read. */
export interface RangedObject {
  readonly client: Pick<HttpClient, 'send'>;
  readonly shown: string;
  readonly name: string;
  readonly url: URL;
  /** The error that an answer without the object is; its body is the callee's. */
  refusal(answer: HttpAnswer): Promise<Error>;
  /** Is told whether a part came as a part. */
  onAnswer?(isPart: boolean): void;
}

/** @see Transport.read */
export async function readRange(
  object: RangedObject,
  { start, end }: ByteRange,
  take: (bytes: Uint8Array) => Promise<void>,
  { signal, onBytes, onBeside }: ReadOptions = {},
): Promise<void> {
  const { client, shown, name, url } = object;
  // What has arrived before a line broke is not asked for again.
  let at = start;
  let slow = 0;
  let stalls = 0;
  while (at < end) {
    const from = at;
    await client.send(
      { method: 'GET', url, headers: { range: `bytes=${at}-${end - 1}` } },
      async (answer) => {
        let place = await startOf(object, answer, at, end);
        await answer
          .each(async (bytes) => {
            const first = place;
            place += bytes.length;
            const cut = (from: number, to: number): Uint8Array =>
              bytes.subarray(Math.max(0, from - first), Math.max(0, to - first));
            const before = cut(first, at);
            if (before.length > 0) await onBeside?.(before, first);
            const wanted = cut(at, end);
            if (wanted.length > 0) {
              await inPieces(wanted, take);
              at += wanted.length;
              onBytes?.(wanted.length);
            }
            const after = cut(end, place);
            if (after.length > 0) await onBeside?.(after, place - after.length);
          })
          .catch((error: unknown) => {
            if (at === from || error instanceof RemoteError) throw error;
            if (error instanceof StalledError && ++stalls === STALLS_MAX) throw error.final;
            // Something came: the rest is asked for, with as many attempts as before.
          });
      },
      signal,
    );
    if (at < end && at - from < LEAST_BYTES && ++slow > SLOW_MAX) {
      throw new RemoteError(`'${shown}' gives '${name}' in crumbs`, {
        url: shown,
        name,
        hint: 'check the line, then run the command again: it goes on where it was',
      });
    }
  }
}

/** Where an answer begins in the object. @throws {RemoteError} if it is not what was asked for. */
async function startOf(
  { shown, name, refusal, onAnswer }: RangedObject,
  answer: HttpAnswer,
  at: number,
  end: number,
): Promise<number> {
  const { status, headers } = answer;
  if (status === 206) {
    const [, from, total] =
      /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
    if (Number(from) === at) {
      if (total !== undefined && total !== '*' && Number(total) < end) {
        answer.drop();
        throw shortObject(shown, name, end, Number(total));
      }
      onAnswer?.(true);
      return at;
    }
    answer.drop();
    throw new RemoteError(`'${shown}' answers with another part of '${name}'`, {
      url: shown,
      name,
      hint: 'the server, or what stands before it, does not serve ranges as it should',
    });
  }
  // A server that knows no ranges sends all of it.
  if (status === 200) {
    const size = Number(headers['content-length'] ?? Number.NaN);
    if (size < end) {
      answer.drop();
      throw shortObject(shown, name, end, size);
    }
    // All of it may have been asked for.
    if (at > 0 || size > end) onAnswer?.(false);
    return 0;
  }
  if (status === 416) {
    answer.drop();
    const [, total] = /\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
    throw shortObject(shown, name, end, Number(total ?? 0));
  }
  throw await refusal(answer);
}

async function inPieces(bytes: Uint8Array, take: (bytes: Uint8Array) => Promise<void>) {
  for (let at = 0; at < bytes.length; at += TRANSFER_PIECE_BYTES) {
    await take(bytes.subarray(at, at + TRANSFER_PIECE_BYTES));
  }
}
