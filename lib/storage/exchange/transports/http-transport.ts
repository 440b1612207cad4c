/**
 * A remote on a web server that serves files: only read.
 *
 * Any server does that answers requests for ranges. `remote` must not be kept by caches in between: it is asked for
 * with no-cache, and its tag is the server's ETag or the sha256 of its bytes.
 */
import { sha256Hex } from '../../../base/bytes/hash.js';
import { type HttpAnswer, smallBody } from './http-answer.js';
import { HttpClient, type LineOptions } from './http-client.js';
import { statusError } from './http-status.js';
import { type Login, readLogin } from './netrc.js';
import { missingObject } from './object-there.js';
import { readRange } from './ranged-read.js';
import {
  type ByteRange,
  type Loaded,
  type ReadOptions,
  readOnlyError,
  type TransferOptions,
  type Transport,
} from './transport.js';

function basic({ user, password }: Login): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function isGone(status: number): boolean {
  return status === 404 || status === 410;
}

export class HttpTransport implements Transport {
  readonly shown: string;
  readonly traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
  readonly isWritable = false;
  readonly concurrency: number;
  sendsWhole: boolean | null = null;
  readonly #base: URL;
  readonly #client: HttpClient;

  /** @param url  http:// or https://, with a user and password if the server asks for them. */
  constructor(url: string, options: LineOptions = {}) {
    this.concurrency = options.connections ?? 4;
    const base = new URL(url);
    const { username, password } = base;
    base.username = '';
    base.password = '';
    base.search = '';
    base.hash = '';
    this.shown = base.href.replace(/\/$/, '');
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.#base = base;
    const given = { user: decodeURIComponent(username), password: decodeURIComponent(password) };
    const hasSecret = username !== '' || password !== '';
    let login: Promise<Login | null> | null = hasSecret ? Promise.resolve(given) : null;
    this.#client = new HttpClient({
      ...options,
      shown: this.shown,
      traffic: this.traffic,
      sign: async (): Promise<Record<string, string>> => {
        login ??= readLogin(base.hostname, options.env);
        const found = await login;
        return found === null ? {} : { authorization: basic(found) };
      },
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
        if (isGone(status)) {
          answer.drop();
          return null;
        }
        if (status !== 200) {
          answer.drop();
          throw statusError(this.shown, status);
        }
        const bytes = await smallBody(answer, { name, shown: this.shown, maxBytes });
        return { bytes, tag: answer.headers.etag ?? sha256Hex(bytes) };
      },
      options.signal,
    );
  }

  async read(
    name: string,
    range: ByteRange,
    take: (bytes: Uint8Array) => Promise<void>,
    options: ReadOptions = {},
  ): Promise<void> {
    const refusal = async (answer: HttpAnswer): Promise<Error> => {
      answer.drop();
      return isGone(answer.status)
        ? missingObject(this.shown, name)
        : statusError(this.shown, answer.status);
    };
    const { shown } = this;
    const onAnswer = (isPart: boolean): void => {
      this.sendsWhole = !isPart;
    };
    const object = { client: this.#client, shown, name, url: this.#urlOf(name), refusal, onAnswer };
    await readRange(object, range, take, options);
  }

  /** `unknown` where the server takes no such question, or does not tell. */
  async size(name: string, { signal }: TransferOptions = {}): Promise<number | 'unknown' | null> {
    // A file that is sent compressed has another length.
    const headers = { 'accept-encoding': 'identity' };
    return this.#client.send(
      { method: 'HEAD', url: this.#urlOf(name), headers },
      async ({ status, headers: { 'content-length': length }, drop }) => {
        drop();
        if (isGone(status)) return null;
        if (status === 405 || status === 501) return 'unknown';
        if (status !== 200) throw statusError(this.shown, status);
        return length !== undefined && /^\d+$/.test(length) ? Number(length) : 'unknown';
      },
      signal,
    );
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
