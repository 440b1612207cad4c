/**
 * Where a web server may redirect to: to web addresses alone, never from https to http, never from a public host to
 * this machine or its network.
 */
import { isIP } from 'node:net';

/**
 * The address that a redirect leads to, without user and password.
 * @returns a sentence about why it is not followed where that is so.
 */
export function redirectTarget(from: URL, location: string): URL | string {
  let to: URL;
  try {
    to = new URL(location, from);
  } catch {
    return 'it redirects to what is no address';
  }
  if (to.protocol !== 'http:' && to.protocol !== 'https:') {
    return `it redirects to another kind of address, '${printable(to.protocol)}'`;
  }
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    return 'it redirects from https to http';
  }
  if (isNear(to.hostname) && !isNear(from.hostname)) {
    return `it redirects into the network of this machine, to '${printable(to.hostname)}'`;
  }
  to.username = '';
  to.password = '';
  return to;
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

/** Words of a server without control characters, and not many of them. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}|\p{Cs}/gu, '?').slice(0, 200);
}
