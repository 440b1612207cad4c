/** What the server is asked: documents of commands, kept while nothing changes, and news of changes. */
import { useEffect, useState } from 'preact/hooks';

/** An error as a command prints it. */
export class ApiError extends Error {
  readonly code: string;
  readonly hint: string | null;

  constructor(code: string, message: string, hint: string | null) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

const KEY = 'dlv-key';
const HEADER = 'x-dlv-key';

function keyOf(): string {
  return localStorage.getItem(KEY) ?? '';
}

/** Changes the token for the key. @throws {ApiError} */
export async function openSession(token: string): Promise<void> {
  const response = await fetch('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  if (!response.ok) throw new ApiError('TOKEN', (await response.text()).trim(), null);
  localStorage.setItem(KEY, ((await response.json()) as { key: string }).key);
}

/** A document, and what was warned of. */
export interface Found<T> {
  data: T;
  warnings: string[];
}

interface ErrorDocument {
  error: { code: string; message: string; data?: { hint?: unknown } };
}

async function ask<T>(path: string, signal: AbortSignal): Promise<Found<T>> {
  const response = await fetch(`/api/${path}`, { headers: { [HEADER]: keyOf() }, signal });
  if (response.status === 401) throw new ApiError('TOKEN', 'this browser is not known here', null);
  if (!(response.headers.get('content-type') ?? '').startsWith('application/json')) {
    throw new ApiError('HTTP', (await response.text()).trim(), null);
  }
  const tag = /"(\w+)"/.exec(response.headers.get('etag') ?? '')?.[1];
  const of = ofPath(path);
  if (tag !== undefined && states[of] === '') states[of] = tag;
  const found = (await response.json()) as T & { warnings?: string[] } & Partial<ErrorDocument>;
  if (!response.ok && found.error !== undefined) {
    const { code, message, data } = found.error;
    throw new ApiError(code, message, typeof data?.hint === 'string' ? data.hint : null);
  }
  const said = response.headers.get('x-dlv-warnings');
  const late = said === null ? [] : (JSON.parse(decodeURIComponent(said)) as string[]);
  return { data: found, warnings: [...(found.warnings ?? []), ...late] };
}

/** Path of a command: flags that are true, values that are there, operands in their order. */
export function pathOf(
  command: string,
  asked: Readonly<Record<string, string | boolean | undefined | readonly string[]>>,
): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    if (value === true) words.append(name, '');
    else if (typeof value === 'string' && value !== '') words.append(name, value);
    else if (Array.isArray(value)) for (const one of value) words.append(name, one);
  }
  return `${command}?${words}`;
}

/** What an answer is of: it holds as long as nothing changes there. */
type Of = 'repository' | 'runs';

function ofPath(path: string): Of {
  return path.startsWith('run/') ? 'runs' : 'repository';
}

/** Documents that were read, by path, and in which epoch of what they are of: it ends with every change. */
const kept = new Map<string, { epoch: number; found: Found<unknown> }>();
const KEPT_MAX = 60;
const states: Record<Of, string> = { repository: '', runs: '' };
const epochs: Record<Of, number> = { repository: 0, runs: 0 };
const listeners = new Set<() => void>();
let isConnected = false;
let wasConnected = false;

function tell(): void {
  for (const listener of listeners) listener();
}

/** A value that the server's news change; what is drawn changes only if the value does. */
function useNews<T>(read: () => T): T {
  const [value, set] = useState(read);
  useEffect(() => {
    const listener = (): void => set(read());
    listener();
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return value;
}

/** False once the server was heard and is not heard any more. */
export function useIsLost(): boolean {
  return useNews(() => wasConnected && !isConnected);
}

/** Listens to the server for as long as the page is open. */
export async function follow(): Promise<void> {
  for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
    try {
      const response = await fetch('/api/events', { headers: { [HEADER]: keyOf() } });
      if (response.ok && response.body !== null) {
        wait = 500;
        isConnected = true;
        wasConnected = true;
        tell();
        await readEvents(response.body);
      }
    } catch {
      // It is tried again.
    }
    isConnected = false;
    tell();
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** The first state that is heard is that of what was just asked, if an answer did not say otherwise. */
function hear(line: string): void {
  const [repository = '', runs = ''] = line.split(' ');
  for (const [of, next] of [
    ['repository', repository],
    ['runs', runs],
  ] as const) {
    if (states[of] !== '' && next !== states[of]) epochs[of] += 1;
    states[of] = next;
  }
  tell();
}

async function readEvents(body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      if (!event.startsWith('data: ')) continue;
      hear(event.slice(6));
    }
  }
}

/** What a view knows of a document that it asked for. */
export interface Asked<T> {
  data: T | null;
  warnings: string[];
  error: ApiError | null;
  isLoading: boolean;
}

const NOTHING = { data: null, warnings: [], error: null, isLoading: false };

function remember(path: string, epoch: number, found: Found<unknown>): void {
  kept.delete(path);
  kept.set(path, { epoch, found });
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_MAX) break;
    kept.delete(oldest);
  }
}

/** An error as a view shows it. */
function shownError(error: unknown): ApiError {
  return error instanceof ApiError
    ? error
    : new ApiError('OFFLINE', 'the server does not answer', 'is dlv ui still running?');
}

/** Asks for a document whenever its path or what it is of changes; null asks for nothing. */
export function useApi<T>(path: string | null): Asked<T> {
  const known = path === null ? undefined : kept.get(path);
  const [asked, set] = useState<Asked<T> & { path: string | null }>(() => ({
    ...NOTHING,
    path,
    ...(known === undefined ? { isLoading: path !== null } : (known.found as Found<T>)),
  }));
  useEffect(() => {
    if (path === null) return set({ ...NOTHING, path });
    const of = ofPath(path);
    const before = kept.get(path);
    // What is shown stays until the answer comes, if it is of the same command.
    const command = path.split('?')[0];
    set((old) => {
      if (before !== undefined) return { ...NOTHING, path, ...(before.found as Found<T>) };
      const stays = old.path?.split('?')[0] === command;
      return { ...NOTHING, data: stays ? old.data : null, path, isLoading: true };
    });
    const abort = new AbortController();
    let seen = before?.epoch ?? -1;
    let isAsking = false;
    // One question at a time: changes that come meanwhile are asked for once it is answered, so that answers
    // come however fast a run measures.
    const look = async (): Promise<void> => {
      if (isAsking) return;
      isAsking = true;
      while (!abort.signal.aborted && seen !== epochs[of]) {
        const epoch = epochs[of];
        try {
          const found = await ask<T>(path, abort.signal);
          remember(path, epoch, found);
          if (!abort.signal.aborted) set({ ...NOTHING, path, ...found });
        } catch (thrown) {
          if (abort.signal.aborted) break;
          const error = shownError(thrown);
          set((old) => ({ ...old, error, isLoading: false }));
          // It is asked again once the server is heard again.
          if (error.code === 'OFFLINE') break;
        }
        seen = epoch;
      }
      isAsking = false;
    };
    const listener = (): void => void look();
    listeners.add(listener);
    listener();
    return () => {
      listeners.delete(listener);
      abort.abort();
    };
  }, [path]);
  return asked.path === path || path === null ? asked : { ...asked, isLoading: true };
}
