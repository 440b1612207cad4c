/**
 * A store that speaks like S3, for tests: objects in memory, signatures verified from what came over the line,
 * conditions of writes checked as Amazon does (or not at all), uploads in parts. It can be told to misbehave.
 */
import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import type { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { listenUntilEnd } from './loopback.js';
import type { Misbehave } from './web-server.js';

export const ACCESS_KEY = 'AKIDEXAMPLE';
export const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';

/** Variables under which a bucket of the server is reached, and nothing of the user's own. */
export function s3Env(url: string): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    AWS_ENDPOINT_URL: url,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
}

interface Stored {
  bytes: Buffer;
  etag: string;
  modified: number;
}

interface Upload {
  key: string;
  parts: Map<number, Stored>;
}

export interface S3Server {
  url: string;
  /** By bucket/key. */
  objects: Map<string, Stored>;
  uploads: Map<string, Upload>;
  requests: number;
  /** `PUT net/packs/…`, in order. */
  asked: string[];
  /** Bytes of all connections, headers included. */
  wire(): { received: number; sent: number };
  misbehave: Misbehave | null;
  /** False: If-Match and If-None-Match are ignored. */
  conditions: boolean;
  /** The region that requests have to be signed for. */
  region: string;
  /** Put into `modified` of what is stored, and the `Date` of lists and refusals. */
  now(): number;
  /** True: requests that were signed at a time more than 15 minutes off are refused, as Amazon does. */
  checksTime: boolean;
}

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');
/** What Amazon gives an object that was uploaded in parts. */
const etagOfParts = (parts: readonly Stored[]): string => {
  const sums = parts.map(({ bytes }) => Buffer.from(md5(bytes), 'hex'));
  return `"${md5(Buffer.concat(sums))}-${parts.length}"`;
};
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/** Null if a request is signed as it should be; else the word of the store for it. */
function signatureProblem(request: http.IncomingMessage, body: Buffer, region: string) {
  const { headers, method = '', url = '' } = request;
  const [, key, day, scopeRegion, names = '', given] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  if (key === undefined) return 'AccessDenied';
  if (key !== ACCESS_KEY) return 'InvalidAccessKeyId';
  if (scopeRegion !== region) return 'AuthorizationHeaderMalformed';
  const content = headers['x-amz-content-sha256'];
  if (content !== sha256(body)) return 'XAmzContentSHA256Mismatch';
  if (!names.split(';').includes('host')) return 'AccessDenied';
  const [raw = '', query = ''] = url.split('?');
  const pairs =
    query === '' ? [] : query.split('&').map((pair) => (pair.includes('=') ? pair : `${pair}=`));
  const canonical = [
    method,
    raw,
    pairs.sort().join('&'),
    ...names.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    names,
    content,
  ].join('\n');
  const time = String(headers['x-amz-date']);
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`;
  const secret = hmac(
    hmac(hmac(hmac(`AWS4${SECRET_KEY}`, day as string), region), 's3'),
    'aws4_request',
  );
  return hmac(secret, toSign).toString('hex') === given ? null : 'SignatureDoesNotMatch';
}

/** When a request was signed, by the clock of whoever sent it; milliseconds since 1970. */
function signedMs({ headers }: http.IncomingMessage): number {
  const date = String(headers['x-amz-date']);
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'));
}

/** Serves buckets until the test ends. Every name is a bucket but `no-such-bucket`. */
export async function serveBuckets(t: Pick<ExecutionContext, 'teardown'>): Promise<S3Server> {
  const server = http.createServer();
  const sockets: Socket[] = [];
  let uploadCount = 0;
  const state: S3Server = {
    url: '',
    objects: new Map(),
    uploads: new Map(),
    requests: 0,
    asked: [],
    wire: () => ({
      received: sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
      sent: sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    }),
    misbehave: null,
    conditions: true,
    region: 'us-east-1',
    now: () => Date.now(),
    checksTime: false,
  };
  server.on('connection', (socket) => void sockets.push(socket));
  server.on('request', (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => void pieces.push(piece));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => void answer(request, response, Buffer.concat(pieces)));
  });

  async function answer(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    body: Buffer,
  ): Promise<void> {
    state.requests++;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    const key = decodeURIComponent(pathname.slice(1));
    state.asked.push(`${request.method} ${key}${searchParams.size > 0 ? '?' : ''}`);
    if (await state.misbehave?.(request, response, state.requests)) return;
    const fail = (status: number, code: string): void => {
      const xml = `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`;
      const region = code === 'AuthorizationHeaderMalformed' ? state.region : undefined;
      response.writeHead(status, {
        'content-type': 'application/xml',
        ...(state.checksTime ? { date: new Date(state.now()).toUTCString() } : {}),
        ...(region ? { 'x-amz-bucket-region': region } : {}),
      });
      response.end(request.method === 'HEAD' ? undefined : xml);
    };
    const problem = signatureProblem(request, body, state.region);
    if (problem !== null) return fail(problem.startsWith('Authorization') ? 400 : 403, problem);
    const offMs = Math.abs(signedMs(request) - state.now());
    if (state.checksTime && !(offMs <= 15 * 60_000)) return fail(403, 'RequestTimeTooSkewed');
    if (key.startsWith('no-such-bucket')) return fail(404, 'NoSuchBucket');
    const found = state.objects.get(key);
    const write = (bytes: Buffer, etag: string): void => {
      state.objects.set(key, { bytes, etag, modified: state.now() });
    };
    const isRefused = (): boolean => {
      const { 'if-match': match, 'if-none-match': none } = request.headers;
      if (!state.conditions) return false;
      if (none === '*' && state.objects.has(key)) return true;
      return match !== undefined && state.objects.get(key)?.etag !== match;
    };
    const uploadId = searchParams.get('uploadId');
    const upload = uploadId === null ? undefined : state.uploads.get(uploadId);
    if (uploadId !== null && upload?.key !== key) return fail(404, 'NoSuchUpload');
    switch (request.method) {
      case 'PUT': {
        const etag = `"${md5(body)}"`;
        if (upload) {
          upload.parts.set(Number(searchParams.get('partNumber')), {
            bytes: body,
            etag,
            modified: 0,
          });
        } else if (isRefused())
          return fail(found ? 412 : 404, found ? 'PreconditionFailed' : 'NoSuchKey');
        else write(body, etag);
        response.writeHead(200, { etag }).end();
        return;
      }
      case 'POST': {
        if (searchParams.has('uploads')) {
          const id = `upload-${++uploadCount}+/&`;
          state.uploads.set(id, { key, parts: new Map() });
          response
            .writeHead(200)
            .end(
              `<InitiateMultipartUploadResult><UploadId>${id.replace('&', '&amp;')}</UploadId></InitiateMultipartUploadResult>`,
            );
          return;
        }
        if (isRefused()) return fail(412, 'PreconditionFailed');
        const parts = [...(upload?.parts ?? [])].sort(([a], [b]) => a - b).map(([, part]) => part);
        write(Buffer.concat(parts.map(({ bytes }) => bytes)), etagOfParts(parts));
        state.uploads.delete(uploadId ?? '');
        response
          .writeHead(200)
          .end('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>');
        return;
      }
      case 'DELETE':
        if (upload) state.uploads.delete(uploadId as string);
        else state.objects.delete(key);
        response.writeHead(204).end();
        return;
      default:
    }
    if (upload) {
      const after = Number(searchParams.get('part-number-marker'));
      // Few at once, so that a second page is asked for.
      const rest = [...upload.parts].sort(([a], [b]) => a - b).filter(([number]) => number > after);
      const page = rest.slice(0, 2);
      response
        .writeHead(200)
        .end(
          `<ListPartsResult>${page
            .map(
              ([number, { bytes, etag }]) =>
                `<Part>\n<PartNumber>${number}</PartNumber><ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${bytes.length}</Size></Part>`,
            )
            .join('')}<IsTruncated>${rest.length > 2}</IsTruncated><NextPartNumberMarker>${
            page.at(-1)?.[0] ?? after
          }</NextPartNumberMarker></ListPartsResult>`,
        );
      return;
    }
    if (searchParams.has('list-type')) return listed(response, key, searchParams);
    if (searchParams.has('uploads')) {
      const rows = [...state.uploads].map(
        ([id, one]) =>
          `<Upload><Key>${one.key.split('/').slice(1).join('/')}</Key><UploadId>${id.replace('&', '&amp;')}</UploadId><Initiated>${new Date(0).toISOString()}</Initiated></Upload>`,
      );
      response
        .writeHead(200)
        .end(`<ListMultipartUploadsResult>${rows.join('')}</ListMultipartUploadsResult>`);
      return;
    }
    if (found === undefined) return fail(404, 'NoSuchKey');
    const { bytes, etag } = found;
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (from !== undefined && Number(from) >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    const start = Number(from ?? 0);
    const part = bytes.subarray(start, to === undefined ? bytes.length : Number(to) + 1);
    response.writeHead(from === undefined ? 200 : 206, {
      etag,
      'content-length': part.length,
      ...(from === undefined
        ? {}
        : { 'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}` }),
    });
    response.end(request.method === 'HEAD' ? undefined : part);
  }

  function listed(response: http.ServerResponse, bucket: string, query: URLSearchParams): void {
    const prefix = `${bucket.replace(/\/$/, '')}/${query.get('prefix') ?? ''}`;
    const after = query.get('continuation-token') ?? '';
    const keys = [...state.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .sort();
    const page = keys.slice(0, 3);
    const rows = page.map((key) => {
      const { bytes, modified } = state.objects.get(key) as Stored;
      return `<Contents><Key>${key.split('/').slice(1).join('/')}</Key><Size>${bytes.length}</Size><LastModified>${new Date(modified).toISOString()}</LastModified></Contents>`;
    });
    const more =
      keys.length > page.length
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${page.at(-1)}</NextContinuationToken>`
        : '<IsTruncated>false</IsTruncated>';
    response.setHeader('date', new Date(state.now()).toUTCString());
    response.writeHead(200).end(`<ListBucketResult>${more}${rows.join('')}</ListBucketResult>`);
  }

  state.url = `http://${await listenUntilEnd(t, server)}`;
  return state;
}
