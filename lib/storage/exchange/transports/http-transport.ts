/**
 * A remote on a web server that serves files: only read.
 *
 * Any server does that answers requests for ranges. `remote` must not be kept by caches in between: it is asked for
 * with no-cache, and its tag is the server's ETag or the sha256 of its bytes.
 */
import { sha256Hex } from '../../../base/bytes/hash.js';
import { LimitError, RemoteError } from '../../../base/errors.js';
import { TRANSFER_PIECE_BYTES } from '../../../base/limits.js';
import { missingObject, shortObject } from './folder-transport.js';
import { HttpClient, type HttpClientOptions, statusError } from './http-client.js';
import {
  type ByteRange,
  type Loaded,
  readOnlyError,
  type TransferOptions,
  type Transport,
} from './transport.js';

/** Answers that break off before so many bytes are borne so often. */
const LEAST_BYTES = 64 * 1024;
const SLOW_MAX = 20;

export class HttpTransport implements Transport {
  readonly shown: string;
  readonly traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
  readonly isWritable = false;
  readonly concurrency = 4;
  readonly #base: URL;
  readonly #client: HttpClient;

  /** @param url  http:// or https://, with a user and password if the server asks for them. */
  constructor(url: string, options: Pick<HttpClientOptions, 'firstPauseMs' | 'idleMs'> = {}) {
    const base = new URL(url);
    const { username, password } = base;
    base.username = '';
    base.password = '';
    base.search = '';
    base.hash = '';
    this.shown = base.href.replace(/\/$/, '');
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.#base = base;
    const secret = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const authorization = `Basic ${Buffer.from(secret).toString('base64')}`;
    const hasSecret = username !== '' || password !== '';
    this.#client = new HttpClient({
      ...options,
      shown: this.shown,
      traffic: this.traffic,
      sign: (): Record<string, string> => (hasSecret ? { authorization } : {}),
    });
  }

  async load(
    name: string,
    maxBytes: number,
    options: TransferOptions = {},
  ): Promise<Loaded | null> {
    const request = {
      method: 'GET' as const,
      url: this.#urlOf(name),
      headers: { 'cache-control': 'no-cache' },
    };
    return this.#client.send(
      request,
      async (answer) => {
        const { status } = answer;
        if (status === 404 || status === 410) {
          answer.drop();
          return null;
        }
        if (status !== 200) {
          answer.drop();
          throw statusError(this.shown, status);
        }
        const bytes = await answer.all(maxBytes).catch((error: unknown) => {
          if ((error as RemoteError).data?.tooLong !== true) throw error;
          throw new LimitError(`'${name}' at '${this.shown}' has more than ${maxBytes} bytes`, {
            file: name,
            url: this.shown,
          });
        });
        return { bytes, tag: answer.headers.etag ?? sha256Hex(bytes) };
      },
      options.signal,
    );
  }

  async read(
    name: string,
    { start, end }: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    { signal, onBytes }: TransferOptions = {},
  ): Promise<void> {
    // What has arrived before a line broke is not asked for again.
    let at = start;
    let slow = 0;
    while (at < end) {
      const from = at;
      const url = this.#urlOf(name);
      await this.#client.send(
        { method: 'GET', url, headers: { range: `bytes=${at}-${end - 1}` } },
        async (answer) => {
          const skip = await this.#startOf(name, answer, at, end);
          let left = skip;
          await answer
            .each(async (bytes) => {
              const piece = bytes.subarray(Math.min(left, bytes.length));
              left -= bytes.length - piece.length;
              const wanted = piece.subarray(0, Math.min(piece.length, end - at));
              if (wanted.length === 0) return;
              await inPieces(wanted, take);
              at += wanted.length;
              onBytes?.(wanted.length);
            })
            .catch((error: unknown) => {
              // Something came: the rest is asked for, with as many attempts as before.
              if (at > from && !(error instanceof RemoteError)) return;
              throw error;
            });
        },
        signal,
      );
      if (at < end && at - from < LEAST_BYTES && ++slow > SLOW_MAX) {
        throw new RemoteError(`'${this.shown}' gives '${name}' in crumbs`, {
          url: this.shown,
          name,
          hint: 'check the line, then run the command again: it goes on where it was',
        });
      }
    }
  }

  /** Bytes to skip at the front of an answer. @throws {RemoteError} if it is not what was asked for. */
  async #startOf(
    name: string,
    answer: Parameters<Parameters<HttpClient['send']>[1]>[0],
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
          throw shortObject(this.shown, name, end, Number(total));
        }
        return 0;
      }
      answer.drop();
      throw new RemoteError(`'${this.shown}' answers with another part of '${name}'`, {
        url: this.shown,
        name,
        hint: 'the server, or what stands before it, does not serve ranges as it should',
      });
    }
    // A server that knows no ranges sends all of it.
    if (status === 200) {
      const size = Number(headers['content-length'] ?? Number.NaN);
      if (size < end) {
        answer.drop();
        throw shortObject(this.shown, name, end, size);
      }
      return at;
    }
    answer.drop();
    if (status === 404 || status === 410) throw missingObject(this.shown, name);
    if (status === 416) {
      const [, total] = /\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
      throw shortObject(this.shown, name, end, Number(total ?? 0));
    }
    throw statusError(this.shown, status);
  }

  store(): Promise<void> {
    throw readOnlyError(this.shown, 'a web server only gives');
  }

  swap(): Promise<string | null> {
    throw readOnlyError(this.shown, 'a web server only gives');
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  #urlOf(name: string): URL {
    return new URL(name, this.#base);
  }
}

async function inPieces(bytes: Uint8Array, take: (bytes: Uint8Array) => Promise<void>) {
  for (let at = 0; at < bytes.length; at += TRANSFER_PIECE_BYTES) {
    await take(bytes.subarray(at, at + TRANSFER_PIECE_BYTES));
  }
}
