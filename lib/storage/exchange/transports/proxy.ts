/**
 * Proxies as the usual variables name them: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, also in small letters,
 * which win. Requests to http:// are asked of the proxy with their whole address, those to https:// go through a
 * tunnel, in which the server's certificate is checked as ever.
 */
import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { UsageError } from '../../../base/errors.js';
import { isExcepted } from './no-proxy.js';

type Env = Readonly<Record<string, string | undefined>>;

/** A proxy and how it is told who is asking. */
export interface HttpProxy {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

function settingOf(env: Env, name: string): string | undefined {
  return env[name.toLowerCase()] || env[name] || undefined;
}

/** The proxy for an address; null: it is asked itself. @throws {UsageError} for a variable that names none. */
export function proxyFor(target: URL, env: Env = process.env): HttpProxy | null {
  const isSecure = target.protocol === 'https:';
  const name = isSecure ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = settingOf(env, name) ?? settingOf(env, 'ALL_PROXY');
  if (text === undefined || isExcepted(target, settingOf(env, 'NO_PROXY') ?? '')) return null;
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`${name} names no proxy for http`, {
      hint: 'write http://host:port; proxies for SOCKS are not supported',
    });
  }
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const secret = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers: Record<string, string> =
    username === '' && password === ''
      ? {}
      : { 'proxy-authorization': `Basic ${Buffer.from(secret).toString('base64')}` };
  return { url, headers };
}

/** Connections to servers through the tunnel of a proxy. */
export class TunnelAgent extends https.Agent {
  readonly #proxy: HttpProxy;
  readonly #limitMs: number;

  /** @param limitMs  how long the proxy may take to make a tunnel. */
  constructor(proxy: HttpProxy, options: https.AgentOptions, limitMs: number) {
    super(options);
    this.#proxy = proxy;
    this.#limitMs = limitMs;
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): null {
    const { url, headers } = this.#proxy;
    const host = options.host ?? '';
    const target = `${host.includes(':') ? `[${host}]` : host}:${options.port ?? 443}`;
    // The callback ignores the stream when it is given an error.
    const fail = (error: Error): void => callback?.(error, undefined as unknown as Duplex);
    const asked = (url.protocol === 'https:' ? https : http).request({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...headers },
      agent: false,
    });
    const late = setTimeout(
      () => asked.destroy(new Error(`the proxy '${url.host}' does not answer`)),
      this.#limitMs,
    );
    asked.once('close', () => clearTimeout(late));
    asked.once('connect', (answer, socket) => {
      clearTimeout(late);
      if (answer.statusCode === 200) {
        callback?.(null, tls.connect({ ...(options as tls.ConnectionOptions), socket }));
        return;
      }
      socket.destroy();
      fail(new Error(`the proxy answers ${answer.statusCode}`));
    });
    asked.once('error', fail);
    asked.end();
    return null;
  }
}
