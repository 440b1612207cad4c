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
  if (tag !== undefined && state === '') state = tag;
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

/** Documents that were read, by path, and in which epoch of the repository: it ends with every change. */
const kept = new Map<string, { epoch: number; found: Found<unknown> }>();
const KEPT_MAX = 60;
let state = '';
let epoch = 0;
const listeners = new Set<() => void>();
export interface Live {
  epoch: number;
  /** False until the server was heard, too. */
  wasHeard: boolean;
  isConnected: boolean;
}
let isConnected = false;
let wasConnected = false;

function tell(): void {
  for (const listener of listeners) listener();
}

/** The state of the repository, as the server last said. */
export function useLive(): Live {
  const [live, set] = useState<Live>({ epoch, wasHeard: wasConnected, isConnected });
  useEffect(() => {
    const listener = (): void => set({ epoch, wasHeard: wasConnected, isConnected });
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return live;
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
function hear(next: string): void {
  if (state !== '' && next !== state) epoch += 1;
  state = next;
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

function remember(path: string, found: Found<unknown>): void {
  kept.delete(path);
  kept.set(path, { epoch, found });
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_MAX) break;
    kept.delete(oldest);
  }
}

/** Asks for a document whenever its path or the repository changes; null asks for nothing. */
export function useApi<T>(path: string | null): Asked<T> {
  const live = useLive();
  const known = path === null ? undefined : kept.get(path);
  const [asked, set] = useState<Asked<T> & { path: string | null }>(() => ({
    ...NOTHING,
    path,
    ...(known === undefined ? { isLoading: path !== null } : (known.found as Found<T>)),
  }));
  useEffect(() => {
    if (path === null) return set({ ...NOTHING, path });
    const before = kept.get(path);
    if (before !== undefined) {
      set({ ...NOTHING, path, ...(before.found as Found<T>) });
      if (before.epoch === live.epoch) return;
    } else {
      // What is shown stays until the answer comes, if it is of the same command.
      const command = path.split('?')[0];
      set((old) => {
        const stays = old.path?.split('?')[0] === command;
        return { ...NOTHING, data: stays ? old.data : null, path, isLoading: true };
      });
    }
    const abort = new AbortController();
    ask<T>(path, abort.signal).then(
      (found) => {
        remember(path, found);
        set({ ...NOTHING, path, ...found });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const shown =
          error instanceof ApiError
            ? error
            : new ApiError('OFFLINE', 'the server does not answer', 'is dlv ui still running?');
        set((old) => ({ ...old, error: shown, isLoading: false }));
      },
    );
    return () => abort.abort();
  }, [path, live.epoch]);
  return asked.path === path || path === null ? asked : { ...asked, isLoading: true };
}
