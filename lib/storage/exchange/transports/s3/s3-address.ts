/**
 * Addresses of buckets: `s3://bucket/prefix?endpoint=https://host&region=…&style=path`.
 *
 * What the address leaves out comes from the usual variables and profile files. It never holds credentials.
 */
import { UsageError } from '../../../../base/errors.js';

/** How the name of a bucket stands in a URL: below the host, or before it. */
export type BucketStyle = 'path' | 'virtual';

/** What an address says. */
export interface S3Address {
  readonly bucket: string;
  /** Without '/' at its ends; may be empty. */
  readonly prefix: string;
  readonly endpoint: string | null;
  readonly region: string | null;
  readonly style: BucketStyle | null;
  /** The address for messages. */
  readonly shown: string;
}

/** What an address and the surroundings say together. */
export interface S3Place {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: URL;
  readonly region: string;
  readonly style: BucketStyle;
}

const PARAMETERS = ['endpoint', 'region', 'style'];
const FORM =
  "write 's3://bucket/prefix', for other stores 's3://bucket/prefix?endpoint=https://host'";

/** @throws {UsageError} */
export function parseS3Address(text: string): S3Address {
  const url = URL.canParse(text) ? new URL(text) : null;
  const [bare = '', query = ''] = text.split('?', 2);
  const shown = bare.replace(/\p{Cc}|\p{Cs}/gu, '?').replace(/^(s3:\/\/)[^/]*@/i, '$1…@');
  const fail = (what: string, hint = FORM): never => {
    throw new UsageError(`'${shown}' ${what}`, { url: shown, hint });
  };
  if (url === null || text.includes('#')) return fail('is not the address of a bucket');
  if (/@/.test(/^s3:\/\/([^/?]*)/i.exec(text)?.[1] ?? '')) {
    fail(
      'holds credentials',
      'leave them out: they are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from ~/.aws/credentials',
    );
  }
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/?]+)([^?]*)/i.exec(text) ?? [];
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(bucket)) fail('names no bucket');
  const parts = rest.split('/').filter((part) => part !== '');
  if (parts.some((part) => part === '.' || part === '..')) fail("has '.' or '..' in its path");
  const values = new URLSearchParams(query);
  for (const name of values.keys()) {
    if (!PARAMETERS.includes(name)) {
      fail(`has an unknown part '${name.slice(0, 40)}'`, `known are ${PARAMETERS.join(', ')}`);
    }
  }
  const style = values.get('style');
  if (style !== null && style !== 'path' && style !== 'virtual') {
    fail(`has the style '${style.slice(0, 40)}'`, 'write style=path or style=virtual');
  }
  const region = values.get('region');
  if (region !== null && !isRegion(region)) fail('names no region');
  const endpoint = values.get('endpoint');
  if (endpoint !== null) parseEndpoint(endpoint);
  return {
    bucket,
    prefix: parts.map(decodePart).join('/'),
    endpoint,
    region,
    style: style as BucketStyle | null,
    shown: endpoint === null ? shown : `${shown}?endpoint=${new URL(endpoint).origin}`,
  };
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isRegion(text: string): boolean {
  return /^[a-z0-9-]{1,40}$/.test(text);
}

/** The address of a store. @throws {UsageError} */
function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !isWeb || url.username !== '' || url.password !== '' || url.search !== '') {
    throw new UsageError('the endpoint of a bucket must be http:// or https:// and a host', {
      hint: "without user, password and '?': 's3://bucket/prefix?endpoint=https://s3.example.org:9000'",
    });
  }
  return url;
}

/** What the surroundings may add to an address. */
export interface S3Defaults {
  readonly endpoint: string | null;
  readonly region: string | null;
  readonly style: string | null;
}

/** Where a bucket is. Amazon's stores are the default; others are asked in path style. @throws {UsageError} */
export function placeOf(address: S3Address, defaults: S3Defaults): S3Place {
  const { bucket, prefix } = address;
  const region = address.region ?? (isRegion(defaults.region ?? '') ? defaults.region : null);
  const given = address.endpoint ?? defaults.endpoint;
  const endpoint = given === null ? amazonEndpoint(region ?? 'us-east-1') : parseEndpoint(given);
  const named = address.style ?? defaults.style;
  // A certificate for *.s3… holds for no name with another dot.
  const usual = given === null && !bucket.includes('.') ? 'virtual' : 'path';
  const style = named === 'path' || named === 'virtual' ? named : usual;
  return { bucket, prefix, endpoint, region: region ?? 'us-east-1', style };
}

export function amazonEndpoint(region: string): URL {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return new URL(`https://s3.${region}.${domain}/`);
}

/** The URL of an object; with an empty name that of the bucket itself. */
export function objectUrl({ bucket, prefix, endpoint, style }: S3Place, name: string): URL {
  const key = [prefix, name].filter((part) => part !== '').join('/');
  const url = new URL(endpoint.href);
  const base = url.pathname.replace(/\/+$/, '');
  const tail = name === '' ? '' : key.split('/').map(encodePart).join('/');
  if (style === 'virtual') url.hostname = `${bucket}.${url.hostname}`;
  const parts = style === 'virtual' ? [tail] : [encodePart(bucket), tail];
  url.pathname = `${base}/${parts.filter((part, i) => part !== '' || i > 0).join('/')}`;
  return url;
}

/** Percent-encodes all but the characters that RFC 3986 reserves for nothing. */
export function encodePart(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
