/** What is sent: documents and errors with the headers that every response has, and the page itself. */
import type { ServerResponse } from 'node:http';
import type { DlvError } from '../../base/errors.js';
import { formatJson } from '../output/ui.js';

/** Nothing is loaded from elsewhere, framed, guessed or run but the page's own script. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dlv',
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
};

/** The page: everything else is made by its script. */
export const SHELL = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>dlv</title>
<link rel="icon" href="data:,"/>
<link rel="stylesheet" href="/app.css"/>
<script type="module" src="/app.js"></script>
</head>
<body>
<div id="app"><noscript><p>This page needs JavaScript. Without it, <code>dlv list --html</code> and others write pages that do not.</p></noscript></div>
</body>
</html>
`;

export interface Sent {
  status?: number;
  type: string;
  body: string | Uint8Array;
  headers?: Record<string, string>;
}

/** Sends a response; one that nobody waits for any more is dropped. */
export function send(response: ServerResponse, { status = 200, type, body, headers }: Sent): void {
  if (response.destroyed) return;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, {
    ...HEADERS,
    'cache-control': 'no-cache',
    ...headers,
    'content-type': type,
    'content-length': bytes.length,
  });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}

export const JSON_TYPE = 'application/json; charset=utf-8';

/** HTTP status of an error; those that are nobody's mistake are the server's. */
function statusOf({ code }: Pick<DlvError, 'code'>): number {
  if (code === 'DLV_USAGE') return 400;
  if (code === 'DLV_NOT_FOUND' || code === 'DLV_NO_REPOSITORY') return 404;
  if (code === 'DLV_AMBIGUOUS' || code === 'DLV_TIER') return 409;
  return code === 'DLV_LOCKED' || code === 'DLV_LIMIT' ? 503 : 500;
}

export function sendError(response: ServerResponse, error: DlvError): void {
  const body = formatJson({ error: error.toJSON(), warnings: [] });
  send(response, { status: statusOf(error), type: JSON_TYPE, body });
}

/** A refusal in one line: whoever gets it is not told more. */
export function refuse(response: ServerResponse, status: number, why: string): void {
  send(response, { status, type: 'text/plain; charset=utf-8', body: `${why}\n` });
}

/** Begins a stream of events. */
export function beginEvents(response: ServerResponse): void {
  response.writeHead(200, {
    ...HEADERS,
    'cache-control': 'no-store',
    'content-type': 'text/event-stream; charset=utf-8',
  });
}

/** The status of what a command printed. */
export function statusOfDocument(text: string): number {
  const [, code] = /^\{\s*"error":\s*\{\s*"code":\s*"(\w+)"/.exec(text.slice(0, 100)) ?? [];
  return code === undefined ? 200 : statusOf({ code: code as DlvError['code'] });
}
