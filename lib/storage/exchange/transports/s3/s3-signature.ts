/**
 * Signs requests to S3 by AWS Signature Version 4, with the sha256 of the body as its checksum. Pure.
 *
 * @see docs/decisions/0024-buckets-without-an-sdk.md
 */
import { createHmac } from 'node:crypto';
import { sha256Hex } from '../../../../base/bytes/hash.js';
import { encodePart } from './s3-address.js';

/** What proves who is asking. Never logged. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
  /** Milliseconds since 1970; null: they do not end. */
  readonly expiresMs: number | null;
}

export interface SignedRequest {
  readonly method: string;
  readonly url: URL;
  /** Headers beside `host`; those that begin with x-amz- are signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

function hmac(key: string | Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** The headers that a request gets. @param nowMs  time of the store's clock, milliseconds since 1970. */
export function signS3(
  request: SignedRequest,
  credentials: S3Credentials,
  { region, nowMs }: { region: string; nowMs: number },
): Record<string, string> {
  const time = new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const { sessionToken } = credentials;
  const added: Record<string, string> = {
    'x-amz-content-sha256': sha256Hex(request.body),
    'x-amz-date': time,
    ...(sessionToken === null ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const signed = new Map<string, string>([['host', request.url.host]]);
  for (const [name, value] of Object.entries({ ...request.headers, ...added })) {
    const key = name.toLowerCase();
    if (key.startsWith('x-amz-') || key === 'range')
      signed.set(key, value.trim().replace(/ +/g, ' '));
  }
  const names = [...signed.keys()].sort();
  const query = [...request.url.searchParams]
    .map(([key, value]) => `${encodePart(key)}=${encodePart(value)}`)
    .sort();
  const canonical = [
    request.method,
    request.url.pathname,
    query.join('&'),
    ...names.map((name) => `${name}:${signed.get(name)}`),
    '',
    names.join(';'),
    added['x-amz-content-sha256'],
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = [ALGORITHM, time, scope, sha256Hex(Buffer.from(canonical))].join('\n');
  const dayKey = hmac(`AWS4${credentials.secretAccessKey}`, day);
  const key = hmac(hmac(hmac(dayKey, region), 's3'), 'aws4_request');
  const signature = hmac(key, toSign).toString('hex');
  return {
    ...added,
    authorization:
      `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, ` +
      `SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}
