/**
 * HTTP and HTTPS of Node itself, as transports need it: connections that are kept, time limits, redirects that
 * are followed a few times, and attempts that are repeated when the line or the server fails.
 *
 * A server may be hostile: redirects lead nowhere but to web addresses, never from https to http, never from a public
 * host to this machine or its network, and headers that say who is asking go to no other host.
 */
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { AbortedError, DlvError, RemoteError } from '../../../base/errors.js';
import type { Traffic } from './transport.js';

const REDIRECTS_MAX = 5;
const ATTEMPTS_MAX = 6;
const FIRST_PAUSE_MS = 200;
const PAUSE_MS_MAX = 10_000;
/** Without a byte for so long, a request has failed. */
const IDLE_MS = 60_000;

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  url: URL;
  headers?: Readonly<Record<string, string>>;
  body?: Uint8Array;
}

/** An answer; its body is read once, or thrown away with `drop`. */
export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Gives the body piece by piece. @throws {RemoteError} if it ends early. */
  each(take: (bytes: Uint8Array) => Promise<void>): Promise<void>;
  /** The body, at most so many bytes. @throws {RemoteError} if it is longer. */
  all(maxBytes: number): Promise<Uint8Array>;
  drop(): void;
}

/** How one answer is dealt with: done, or to be tried again. */
export type Handle<T> = (answer: HttpAnswer) => Promise<T>;

/** A failure that another attempt may not meet. */
class Passing extends Error {
  readonly waitMs: number | null;

  constructor(error: Error, waitMs: number | null = null) {
    super(error.message, { cause: error });
    this.waitMs = waitMs;
  }
}

export interface HttpClientOptions {
  /** The address without passwords, for messages. */
  shown: string;
  traffic: Traffic;
  /** Milliseconds before the second attempt; tests take fewer. */
  firstPauseMs?: number;
  idleMs?: number;
  /** Signs or marks a request of a host, right before it is sent. */
  sign?(request: HttpRequest): Promise<Record<string, string>> | Record<string, string>;
}

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: 8 }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: 8 }),
  };

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /**
   * Sends a request until it is answered with something else than a failure of the server or the line.
   * @param handle  gets the answer; may throw what another attempt is to be made for.
   * @throws {RemoteError} after the last attempt; {AbortedError}
   */
  async send<T>(request: HttpRequest, handle: Handle<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(signal);
      try {
        return await this.#follow(request, handle, signal);
      } catch (error) {
        if (signal?.aborted) throw new AbortedError();
        if (!(error instanceof Passing)) throw error;
        if (attempt === ATTEMPTS_MAX) throw this.#failed(error);
        await pause(this.#pauseMs(attempt, error.waitMs), signal);
      }
    }
  }

  /** Doubles, with a random half, so that many clients do not come back at once. */
  #pauseMs(attempt: number, asked: number | null): number {
    const first = this.#options.firstPauseMs ?? FIRST_PAUSE_MS;
    const most = Math.min(PAUSE_MS_MAX, first * 2 ** (attempt - 1));
    const wait = most / 2 + (Math.random() * most) / 2;
    return asked === null ? wait : Math.max(wait, Math.min(asked, PAUSE_MS_MAX));
  }

  #failed({ cause, message }: Passing): RemoteError {
    if (cause instanceof DlvError) {
      const { data } = cause;
      return new RemoteError(cause.message, { ...data, hint: LATER }, cause);
    }
    return new RemoteError(`cannot reach '${this.#options.shown}': ${clean(message)}`, {
      url: this.#options.shown,
      hint: LATER,
    });
  }

  async #follow<T>(request: HttpRequest, handle: Handle<T>, signal?: AbortSignal): Promise<T> {
    let { url } = request;
    for (let hop = 0; ; hop++) {
      const isOwn = url.origin === request.url.origin;
      const answer = await this.#once({ ...request, url }, isOwn, signal);
      const { location } = answer.headers;
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status);
      if (!isRedirect || location === undefined) return this.#judge(answer, handle);
      answer.drop();
      if (hop === REDIRECTS_MAX) throw this.#refuse('it redirects in a circle');
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        throw this.#refuse('it redirects what is sent to it');
      }
      url = this.#redirected(url, location);
    }
  }

  /** @throws {RemoteError} for an address that a redirect must not lead to. */
  #redirected(from: URL, location: string): URL {
    let to: URL;
    try {
      to = new URL(location, from);
    } catch {
      throw this.#refuse('it redirects to what is no address');
    }
    if (to.protocol !== 'http:' && to.protocol !== 'https:') {
      throw this.#refuse(`it redirects to another kind of address, '${clean(to.protocol)}'`);
    }
    if (from.protocol === 'https:' && to.protocol === 'http:') {
      throw this.#refuse('it redirects from https to http');
    }
    if (isNear(to.hostname) && !isNear(from.hostname)) {
      throw this.#refuse(
        `it redirects into the network of this machine, to '${clean(to.hostname)}'`,
      );
    }
    to.username = '';
    to.password = '';
    return to;
  }

  #refuse(what: string): RemoteError {
    return new RemoteError(`'${this.#options.shown}' is not followed: ${what}`, {
      url: this.#options.shown,
      hint: 'do not trust this server, or name the address that it leads to',
    });
  }

  async #judge<T>(answer: HttpAnswer, handle: Handle<T>): Promise<T> {
    const { status, headers } = answer;
    if (status === 408 || status === 425 || status === 429 || status >= 500) {
      answer.drop();
      const error = statusError(this.#options.shown, status);
      throw new Passing(error, retryAfterMs(headers['retry-after']));
    }
    return handle(answer);
  }

  async #once(request: HttpRequest, isOwn: boolean, signal?: AbortSignal): Promise<HttpAnswer> {
    const { url, method, body } = request;
    const { traffic } = this.#options;
    const own = isOwn ? { ...request.headers, ...(await this.#options.sign?.(request)) } : {};
    const range = request.headers?.range;
    const headers: Record<string, string> = {
      'user-agent': 'dlv',
      'accept-encoding': 'identity',
      ...(range === undefined ? {} : { range }),
      ...own,
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    };
    traffic.requests++;
    const isSecure = url.protocol === 'https:';
    const agent = isSecure ? this.#agents['https:'] : this.#agents['http:'];
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const options = { method, headers, agent, ...(signal ? { signal } : {}) };
      const sent = (isSecure ? https : http).request(url, options, resolve);
      sent.setTimeout(this.#options.idleMs ?? IDLE_MS, () =>
        sent.destroy(new Error('it did not answer in time')),
      );
      sent.on('error', (error) => reject(new Passing(error)));
      sent.end(body);
    });
    if (body !== undefined) traffic.sentBytes += body.length;
    return this.#answer(answer, method === 'HEAD');
  }

  #answer(message: http.IncomingMessage, isEmpty: boolean): HttpAnswer {
    const { traffic } = this.#options;
    const declared = Number(message.headers['content-length'] ?? Number.NaN);
    const each = async (take: (bytes: Uint8Array) => Promise<void>): Promise<void> => {
      let got = 0;
      try {
        for await (const piece of message as AsyncIterable<Buffer>) {
          got += piece.length;
          traffic.receivedBytes += piece.length;
          await take(piece);
        }
      } catch (error) {
        if (error instanceof DlvError) throw error;
        throw new Passing(error as Error);
      }
      if (!isEmpty && Number.isFinite(declared) && got !== declared) {
        throw new Passing(new Error(`the answer ended after ${got} of ${declared} bytes`));
      }
    };
    return {
      status: message.statusCode ?? 0,
      headers: message.headers,
      each,
      all: async (maxBytes) => {
        const pieces: Uint8Array[] = [];
        let got = 0;
        await each(async (bytes) => {
          got += bytes.length;
          if (got > maxBytes) {
            message.destroy();
            throw new RemoteError(`'${this.#options.shown}' sent more than ${maxBytes} bytes`, {
              url: this.#options.shown,
              tooLong: true,
            });
          }
          pieces.push(bytes);
        });
        return Buffer.concat(pieces);
      },
      drop: () => void message.resume(),
    };
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }
}

const LATER = 'check the line, then run the command again: it goes on where it was';

/** What a status says, without the words of the server. */
export function statusError(shown: string, status: number): RemoteError {
  const what = STATUS[status] ?? 'it refuses';
  return new RemoteError(`'${shown}' answers ${status}: ${what}`, { url: shown, status });
}

const STATUS: Readonly<Record<number, string>> = {
  400: 'it does not understand the request',
  401: 'it wants to know who is asking',
  403: 'this is not allowed',
  404: 'nothing is there',
  405: 'it only gives',
  429: 'too many requests',
  500: 'it failed',
  502: 'what stands behind it failed',
  503: 'it is not available now',
  504: 'what stands behind it did not answer in time',
};

function retryAfterMs(text: string | undefined): number | null {
  return /^\d{1,4}$/.test(text ?? '') ? Number(text) * 1000 : null;
}

/** True for names and numbers of this machine and of networks that are not public. */
export function isNear(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.internal'))
    return true;
  if (isIP(host) === 4) {
    return /^(0|10|127)\.|^192\.168\.|^169\.254\.|^172\.(1[6-9]|2\d|3[01])\.|^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./.test(
      host,
    );
  }
  return isIP(host) === 6 && /^(::1?$|f[cd]|fe[89ab]|::ffff:)/.test(host);
}

function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, '?').slice(0, 200);
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
}
