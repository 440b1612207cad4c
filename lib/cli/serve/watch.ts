/** Tells open pages when the repository has changed, by events of the server (Server-Sent Events). */
import type { ServerResponse } from 'node:http';
import { beginEvents } from './responses.js';

/** How often the state is looked at while a page is open: a look is a few calls of lstat. */
const LOOK_MS = 250;
/** A line that says nothing, so that nobody between ends a quiet connection. */
const QUIET_MS = 15_000;
/** Pages that are told of changes at once. */
const PAGES_MAX = 32;

export class Watch {
  readonly #look: () => Promise<string>;
  readonly #pages = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | null = null;
  #state = '';
  #saidAt = 0;

  /** @param look  gives the states of the repository and of its runs, with a space between. */
  constructor(look: () => Promise<string>) {
    this.#look = look;
  }

  /** Tells a page of this and every later state until it leaves. @returns false if there are too many. */
  add(response: ServerResponse): boolean {
    if (this.#pages.size >= PAGES_MAX) return false;
    beginEvents(response);
    this.#pages.add(response);
    response.on('close', () => {
      this.#pages.delete(response);
      if (this.#pages.size === 0) this.#stop();
    });
    response.write(this.#state === '' ? ': open\n\n' : `data: ${this.#state}\n\n`);
    this.#timer ??= setInterval(() => void this.#check(), LOOK_MS);
    void this.#check();
    return true;
  }

  close(): void {
    this.#stop();
    for (const page of this.#pages) page.destroy();
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #check(): Promise<void> {
    // A repository that cannot be read says so in what it is asked.
    const state = await this.#look().catch(() => 'unreadable');
    const now = performance.now();
    if (state === this.#state && now - this.#saidAt < QUIET_MS) return;
    const line = state === this.#state ? ': quiet\n\n' : `data: ${state}\n\n`;
    this.#state = state;
    this.#saidAt = now;
    for (const page of this.#pages) page.write(line);
  }
}
