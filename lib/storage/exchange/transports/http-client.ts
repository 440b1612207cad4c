/**
 * HTTP and HTTPS of Node itself, as transports need it: connections that are kept, time limits, proxies, a bound
 * on bytes per second, redirects that are followed a few times, and attempts that are repeated when the line or the
 * server fails.
 *
 * A server may be hostile: see redirects.ts; headers that say who is asking go to no other host.
 */
import { setMaxListeners } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { AbortedError, DlvError, RemoteError } from '../../../base/errors.js';
import type { LowSpeed } from '../../repo/settings/rate.js';
import { type HttpAnswer, PassingError, readAnswer } from './http-answer.js';
import { isPassing, retryAfterMs, statusError } from './http-status.js';
import { type Clock, LOW_SPEED, LowSpeedWatch, StalledError } from './low-speed.js';
import { type HttpProxy, proxyFor, TunnelAgent } from './proxy.js';
import { pause, RateLimit } from './rate-limit.js';
import { printable, redirectTarget } from './redirects.js';
import type { Traffic } from './transport.js';
import { WireCount } from './wire-count.js';

const REDIRECTS_MAX = 5;
const ATTEMPTS_MAX = 6;
const FIRST_PAUSE_MS = 200;
const PAUSE_MS_MAX = 10_000;
const LATER = 'check the line, then run the command again: it goes on where it was';
/** Requests that stall are made once more: a connection that was kept may have been forgotten in between. */
const STALLS_MAX = 2;
/** A body is handed to the connection in pieces of this size. */
const BODY_PIECE_BYTES = 256 * 1024;
/** Connections to one host where nobody says how many. */
const CONNECTIONS = 8;

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  url: URL;
  headers?: Readonly<Record<string, string>>;
  body?: Uint8Array;
}

/** How one answer is dealt with: done, or to be tried again. */
export type Handle<T> = (answer: HttpAnswer) => Promise<T>;

/** How a line is used. */
export interface LineOptions {
  /** Bounds what is sent and received. */
  rate?: RateLimit;
  /** Connections to one host at most. */
  connections?: number;
  /** Environment that proxies are taken from. */
  env?: Readonly<Record<string, string | undefined>>;
  /** The least that a server has to move. */
  lowSpeed?: LowSpeed;
  /** What a server's time is taken by; tests move their own. */
  clock?: Clock;
  /** Milliseconds before the second attempt; tests take fewer. */
  firstPauseMs?: number;
}

export interface HttpClientOptions extends LineOptions {
  /** The address without passwords, for messages. */
  shown: string;
  traffic: Traffic;
  /** False: an answer that redirects is given to `handle`. */
  redirects?: boolean;
  /** Signs or marks a request of a host, right before it is sent. */
  sign?(request: HttpRequest): Promise<Record<string, string>> | Record<string, string>;
}

interface Route {
  readonly agent: http.Agent | https.Agent;
  /** The proxy that is asked in place of an http server. */
  readonly proxy: HttpProxy | null;
  /** Host of the proxy, whether it is asked or tunnelled through. */
  readonly via: string | null;
}

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #rate: RateLimit;
  readonly #wire: WireCount;
  /** By protocol, and by the tunnel that leads there. */
  readonly #agents = new Map<string, http.Agent | https.Agent>();

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#rate = options.rate ?? new RateLimit(Number.POSITIVE_INFINITY);
    this.#wire = new WireCount(options.traffic);
  }

  /**
   * Sends a request until it is answered with something else than a failure of the server or the line.
   * @param handle  gets the answer; may throw what another attempt is to be made for.
   * @throws {RemoteError} after the last attempt; {AbortedError}
   */
  async send<T>(request: HttpRequest, handle: Handle<T>, signal?: AbortSignal): Promise<T> {
    // Each request that is under way listens to it; Node would warn of a leak from the eleventh on.
    if (signal !== undefined) setMaxListeners(0, signal);
    for (let attempt = 1, stalls = 0; ; attempt++) {
      throwIfAborted(signal);
      try {
        return await this.#follow(request, handle, signal);
      } catch (error) {
        if (signal?.aborted) throw new AbortedError();
        if (!(error instanceof PassingError)) throw error;
        if (error instanceof StalledError && ++stalls === STALLS_MAX) throw error.final;
        if (attempt === ATTEMPTS_MAX) throw this.#failed(error);
        await pause(this.#pauseMs(attempt, error.waitMs), signal);
      } finally {
        this.#wire.count();
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

  #failed({ cause, message }: PassingError): RemoteError {
    if (cause instanceof DlvError) {
      const { data } = cause;
      return new RemoteError(cause.message, { ...data, hint: LATER }, cause);
    }
    return new RemoteError(`cannot reach '${this.#options.shown}': ${printable(message)}`, {
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
      if (!isRedirect || location === undefined || this.#options.redirects === false) {
        return this.#judge(answer, handle);
      }
      answer.drop();
      if (hop === REDIRECTS_MAX) throw this.#refuse('it redirects in a circle');
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        throw this.#refuse('it redirects what is sent to it');
      }
      const to = redirectTarget(url, location);
      if (typeof to === 'string') throw this.#refuse(to);
      url = to;
    }
  }

  #refuse(what: string): RemoteError {
    return new RemoteError(`'${this.#options.shown}' is not followed: ${what}`, {
      url: this.#options.shown,
      hint: 'do not trust this server, or name the address that it leads to',
    });
  }

  async #judge<T>(answer: HttpAnswer, handle: Handle<T>): Promise<T> {
    const { status, headers } = answer;
    if (isPassing(status)) {
      answer.drop();
      const error = statusError(this.#options.shown, status);
      throw new PassingError(error, retryAfterMs(headers['retry-after']));
    }
    return handle(answer);
  }

  async #once(request: HttpRequest, isOwn: boolean, signal?: AbortSignal): Promise<HttpAnswer> {
    const { url, method, body } = request;
    const own = isOwn ? { ...request.headers, ...(await this.#options.sign?.(request)) } : {};
    const range = request.headers?.range;
    const { agent, proxy, via } = this.#routeTo(url);
    const headers: Record<string, string> = {
      'user-agent': 'dlv',
      'accept-encoding': 'identity',
      ...(range === undefined ? {} : { range }),
      ...own,
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      ...(proxy === null ? {} : { host: url.host, ...proxy.headers }),
    };
    this.#options.traffic.requests++;
    const { shown, lowSpeed = LOW_SPEED, clock } = this.#options;
    let end: (error: StalledError) => void = () => {};
    const about = { shown, via, isWork: method === 'POST', clock };
    const watch = new LowSpeedWatch(lowSpeed, about, (error) => end(error));
    try {
      const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
        const options = { method, headers, agent, ...(signal ? { signal } : {}) };
        const sent =
          proxy === null
            ? (url.protocol === 'https:' ? https : http).request(url, options, resolve)
            : (proxy.url.protocol === 'https:' ? https : http).request(
                proxy.url,
                { ...options, path: url.href },
                resolve,
              );
        // One that waits for its connection says nothing when it is destroyed.
        end = (error) => {
          reject(error);
          sent.destroy(error);
        };
        sent.on('socket', (socket) => this.#wire.watch(socket));
        sent.on('error', (error) => reject(new PassingError(throughProxy(error, proxy?.url))));
        this.#write({ sent, watch }, body ?? new Uint8Array(0), signal).catch(reject);
      });
      end = (error) => void answer.destroy(error);
      answer.once('close', () => watch.end());
      checkPlain(answer, shown);
      const onPiece = async (bytes: number): Promise<void> => {
        this.#wire.count();
        await this.#rate.pass(bytes, signal);
      };
      return readAnswer(answer, { shown, isEmpty: method === 'HEAD', onPiece, watch });
    } catch (error) {
      watch.end();
      throw error;
    }
  }

  /** Hands a body to the connection no faster than the line and the limit allow. */
  async #write(
    { sent, watch }: { sent: http.ClientRequest; watch: LowSpeedWatch },
    body: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const step = Math.min(BODY_PIECE_BYTES, this.#rate.pieceBytes);
    for (let at = 0; at < body.length && !sent.destroyed; at += step) {
      const piece = body.subarray(at, at + step);
      watch.ours();
      await this.#rate.pass(piece.length, signal);
      watch.theirs();
      if (sent.destroyed || sent.writableEnded) return;
      if (!sent.write(piece)) await drained(sent);
      watch.ours(piece.length);
    }
    watch.theirs();
    sent.end();
  }

  #routeTo(url: URL): Route {
    const isSecure = url.protocol === 'https:';
    const proxy = proxyFor(url, this.#options.env);
    const options = { keepAlive: true, maxSockets: this.#options.connections ?? CONNECTIONS };
    const key = `${url.protocol}${proxy?.url.href ?? ''}`;
    const { seconds } = this.#options.lowSpeed ?? LOW_SPEED;
    const agent = this.#agents.get(key) ?? newAgent(proxy, isSecure, { ...options, seconds });
    this.#agents.set(key, agent);
    return { agent, proxy: isSecure ? null : proxy, via: proxy?.url.host ?? null };
  }

  close(): void {
    this.#wire.count();
    for (const agent of this.#agents.values()) agent.destroy();
  }
}

function newAgent(
  proxy: HttpProxy | null,
  isSecure: boolean,
  { seconds, ...options }: http.AgentOptions & { seconds: number },
): http.Agent | https.Agent {
  if (proxy !== null && isSecure) {
    // The request gives up before.
    return new TunnelAgent(proxy, options, 2000 * seconds);
  }
  const isTls = proxy === null ? isSecure : proxy.url.protocol === 'https:';
  return isTls ? new https.Agent(options) : new http.Agent(options);
}

/** Fulfilled once a request takes more, or has ended in whatever way. */
function drained(sent: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'error']) sent.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) sent.on(event, done);
  });
}

/** @throws {RemoteError} for a body in another form than that of the file: ranges of it would mean something else. */
function checkPlain(answer: http.IncomingMessage, shown: string): void {
  const encoding = answer.headers['content-encoding'] ?? '';
  if (!/gzip|deflate|compress|\bbr\b|zstd/i.test(encoding)) return;
  answer.destroy();
  throw new RemoteError(
    `'${shown}' compresses what it sends, though it was asked for plain bytes`,
    {
      url: shown,
      hint: 'switch compression off for this folder, at the server or at the proxy before it',
    },
  );
}

/** An error of a line that begins at a proxy: the address alone would not tell which of the two does not answer. */
function throughProxy(error: Error, proxy: URL | undefined): Error {
  if (proxy === undefined) return error;
  return new Error(`${error.message} (through the proxy '${proxy.host}')`, { cause: error });
}
