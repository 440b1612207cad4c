/**
 * The server of `dlv ui`: the page, and under `/api/<command>` what `dlv <command> --json` prints. It listens on
 * this machine alone, reads only, and answers whoever has its key. @see docs/ui.md
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { LruCache } from '../../base/bytes/lru-cache.js';
import { asDlvError, IoError, LimitError, UsageError } from '../../base/errors.js';
import { UI_ANSWERS_BYTES } from '../../base/limits.js';
import { type AskedLine, commandLine } from './asked.js';
import { JSON_TYPE, refuse, SHELL, send, sendError, statusOfDocument } from './responses.js';
import { Session } from './session.js';
import { Watch } from './watch.js';
import { Workers } from './workers.js';

const HOST = '127.0.0.1';
const URL_CHARS_MAX = 16_000;
const BODY_BYTES_MAX = 1024;
const CONNECTIONS_MAX = 64;

/** What the server needs to know of the repository. */
export interface Served {
  /** Folder in which commands run. */
  cwd: string;
  /** The state of the repository, and of its runs: as long as it is the same, so are most answers. */
  state(of: AskedLine['of']): Promise<string>;
  asset(name: 'app.js' | 'app.css'): Promise<Uint8Array>;
}

interface Kept {
  state: string;
  text: string;
  warnings: string[];
  /** True if it holds as long as the state is the same. */
  isKept: boolean;
}

export class UiServer {
  readonly #served: Served;
  readonly #workers: Workers;
  readonly #watch: Watch;
  readonly #kept = new LruCache<string, Kept>(UI_ANSWERS_BYTES);
  readonly #server: Server;
  #session = new Session(0);
  #askedAt = performance.now();
  #answering = 0;
  readonly #closing = new AbortController();

  constructor(served: Served) {
    this.#served = served;
    this.#workers = new Workers(served.cwd);
    this.#watch = new Watch(async () => {
      return `${await served.state('repository')} ${await served.state('runs')}`;
    });
    this.#server = createServer(
      { maxHeaderSize: 32_768, requestTimeout: 30_000, headersTimeout: 10_000 },
      (request, response) => {
        this.#answering += 1;
        response.on('close', () => {
          this.#answering -= 1;
          this.#askedAt = performance.now();
        });
        this.#answer(request, response).catch((error: unknown) => {
          if (response.headersSent) response.destroy();
          else sendError(response, asDlvError(error));
        });
      },
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Listens. @param port 0 for any. @throws {IoError} if the port is taken */
  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        const why = taken ? 'something else listens there' : error.message;
        reject(
          new IoError(`cannot listen on port ${port}: ${why}`, {
            port,
            hint: 'leave out --port for a free one',
          }),
        );
      });
      this.#server.listen(port, HOST, () => resolve());
    });
    const address = this.#server.address();
    this.#session = new Session(typeof address === 'object' ? (address?.port ?? 0) : 0);
  }

  /** Reads what a page asks for first, and what takes long, so that it is there when the browser is. */
  async warm(): Promise<void> {
    const asked = ['list?last=3', 'list?versions=&last=100', 'words', 'list?versions=', 'du'];
    for (const one of asked) {
      const { pathname, searchParams } = new URL(one, 'http://x');
      const found = await this.#find(pathname.slice(1), searchParams, this.#closing.signal);
      if (!found.isKept) return;
    }
  }

  get port(): number {
    return this.#session.port;
  }

  /** The address that lets a browser in; its end is sent to no server. */
  get address(): string {
    return `http://${HOST}:${this.port}/#token=${this.#session.token}`;
  }

  /** Milliseconds since something was asked; an open page asks for events all the time. */
  get idleMs(): number {
    return this.#answering > 0 ? 0 : performance.now() - this.#askedAt;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#watch.close();
    this.#server.closeAllConnections();
    await Promise.all([
      new Promise((resolve) => this.#server.close(resolve)),
      this.#workers.close(),
    ]);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '/', method = 'GET', headers } = request;
    if (url.length > URL_CHARS_MAX) return refuse(response, 414, 'the address is too long');
    const target = URL.canParse(url, 'http://x') ? new URL(url, 'http://x') : null;
    if (target === null || !url.startsWith('/')) return refuse(response, 400, 'no such address');
    const { pathname } = target;
    const isApi = pathname.startsWith('/api/') || pathname === '/session';
    const isNavigation = !isApi && headers['sec-fetch-mode'] === 'navigate';
    const refusal = this.#session.refusal(headers, isNavigation);
    if (refusal !== null) return refuse(response, 403, refusal);
    if (pathname === '/session') return this.#open(request, response);
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return refuse(response, 405, 'this server only reads');
    }
    if (!isApi) return this.#page(pathname, response);
    if (!this.#session.isKnown(headers)) {
      return refuse(response, 401, 'open the address that dlv ui printed');
    }
    if (pathname === '/api/events') {
      if (!this.#watch.add(response)) refuse(response, 503, 'too many pages are open');
      return;
    }
    await this.#command(pathname.slice('/api/'.length), target.searchParams, request, response);
  }

  /** Changes the token for the key. */
  async #open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      return refuse(response, 405, 'a token is posted');
    }
    if (request.headers['content-type'] !== 'application/json') {
      return refuse(response, 415, 'a token is sent as JSON');
    }
    let text = '';
    for await (const chunk of request) {
      text += String(chunk);
      if (text.length > BODY_BYTES_MAX) {
        response.setHeader('connection', 'close');
        return refuse(response, 413, 'too much was sent');
      }
    }
    const opened = this.#session.open(tokenOf(text));
    if (opened === null) return refuse(response, 401, 'this token is not the one of the address');
    const { cookie, key } = opened;
    send(response, {
      type: JSON_TYPE,
      body: JSON.stringify({ key }),
      headers: { 'set-cookie': cookie, 'cache-control': 'no-store' },
    });
  }

  async #page(name: string, response: ServerResponse): Promise<void> {
    if (name === '/app.js' || name === '/app.css') {
      const body = await this.#served.asset(name === '/app.js' ? 'app.js' : 'app.css');
      const type = name === '/app.js' ? 'text/javascript' : 'text/css';
      return send(response, { type: `${type}; charset=utf-8`, body });
    }
    // The page shows its views by itself: any plain address is one of them.
    if (!/^\/[a-z-]*$/.test(name)) return refuse(response, 404, 'there is no such page');
    send(response, { type: 'text/html; charset=utf-8', body: SHELL });
  }

  async #command(
    name: string,
    asked: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const abort = new AbortController();
    response.on('close', () => abort.abort());
    const { keeps, of } = lineOfRequest(name, asked);
    const tag = `"${await this.#served.state(of)}"`;
    if (keeps && request.headers['if-none-match'] === tag) {
      response.writeHead(304, { etag: tag }).end();
      return;
    }
    const found = await this.#find(name, asked, abort.signal);
    sendDocument(response, found, found.isKept ? `"${found.state}"` : null);
  }

  /** What a command answers, or has answered in the state that the repository is in. */
  async #find(name: string, asked: URLSearchParams, signal: AbortSignal): Promise<Kept> {
    const { argv, line, keeps, of } = lineOfRequest(name, asked);
    const state = await this.#served.state(of);
    const key = JSON.stringify(argv);
    const before = keeps ? this.#kept.get(key) : undefined;
    if (before?.state === state) return before;
    const { code, text, warnings } = await this.#workers.ask(line, argv, signal);
    if (code === 130) throw new LimitError('the request was stopped');
    const isKept = keeps && statusOfDocument(text) === 200;
    const found = { state, text, warnings, isKept };
    if (isKept) this.#kept.set(key, found, 2 * (key.length + text.length));
    return found;
  }
}

function lineOfRequest(name: string, asked: URLSearchParams): AskedLine {
  return name === 'words'
    ? { argv: ['words'], line: 'lists', keeps: true, of: 'repository' }
    : commandLine(name, asked);
}

function tokenOf(text: string): string {
  try {
    const { token } = JSON.parse(text) as { token?: unknown };
    if (typeof token === 'string') return token;
  } catch {
    // Said below.
  }
  throw new UsageError('no token was sent');
}

function sendDocument(
  response: ServerResponse,
  { text, warnings }: Pick<Kept, 'text' | 'warnings'>,
  tag: string | null,
): void {
  // Documents of lists have no place for warnings.
  const said = text.startsWith('[') && warnings.length > 0;
  send(response, {
    status: statusOfDocument(text),
    type: JSON_TYPE,
    body: text,
    headers: {
      ...(tag === null ? {} : { etag: tag }),
      ...(said
        ? { 'x-dlv-warnings': encodeURIComponent(JSON.stringify(warnings.slice(0, 20))) }
        : {}),
    },
  });
}
