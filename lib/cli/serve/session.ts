/**
 * Who may ask: a browser that was given the token of the printed address, on the page of this server.
 *
 * The token is changed once for two halves of a key. One is a cookie that no script can read; the other stays
 * in the browser's storage of this origin, which other servers on this machine never see (cookies are the
 * same for all ports). Both are needed. Host is checked against names that are led to this machine (DNS
 * rebinding), Origin and Sec-Fetch-Site against other pages. @see docs/decisions/0029
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Header of the half that scripts of the page hold. */
export const KEY_HEADER = 'x-dlv-key';

function secret(): string {
  return randomBytes(32).toString('base64url');
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(a as Buffer, b as Buffer);
}

export class Session {
  readonly port: number;
  /** Stands in the printed address. */
  readonly token = secret();
  readonly #cookie = secret();
  readonly #key = secret();

  constructor(port: number) {
    this.port = port;
  }

  /** Why a request is refused before anything of it is read; null if it is not. */
  refusal(headers: IncomingHttpHeaders, isNavigation: boolean): string | null {
    const { host, origin } = headers;
    const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${this.port}`);
    if (host === undefined || !hosts.includes(host)) return 'the Host is not this server';
    if (origin !== undefined && origin !== `http://${host}`) return 'the Origin is another page';
    const site = headers['sec-fetch-site'];
    if (isNavigation || site === undefined || site === 'same-origin') return null;
    return 'the request comes from another page';
  }

  /** The name is that of the port: servers on other ports keep theirs. */
  get #name(): string {
    return `dlv-${this.port}`;
  }

  /** Changes the token for both halves; null for another token. */
  open(token: string): { cookie: string; key: string } | null {
    if (!isSame(token, this.token)) return null;
    const cookie = `${this.#name}=${this.#cookie}; Path=/; HttpOnly; SameSite=Strict`;
    return { cookie, key: this.#key };
  }

  /** True if a request has both halves. */
  isKnown(headers: IncomingHttpHeaders): boolean {
    const key = headers[KEY_HEADER];
    const cookie = (headers.cookie ?? '')
      .split(';')
      .map((one) => one.trim())
      .find((one) => one.startsWith(`${this.#name}=`));
    if (typeof key !== 'string' || cookie === undefined) return false;
    const isCookie = isSame(cookie.slice(this.#name.length + 1), this.#cookie);
    return isSame(key, this.#key) && isCookie;
  }
}
