/**
 * One line at the bottom of a terminal that says how a program is doing, below what the program prints. It is taken
 * away before anything else is written, and comes back when the program has been silent for a moment at the beginning
 * of a line: in the middle of one, as while a bar is redrawn, it stays away.
 */
import { shorten } from '../table.js';
import { type Output, printable, terminalColumns } from '../terminal.js';

const SILENT_MS = 400;
const REDRAW_MS = 500;

export class LiveLine {
  readonly #stream: Output;
  readonly #enabled: boolean;
  #isShown = false;
  #isAtStart = true;
  #wroteAt = 0;
  #drawnAt = 0;

  constructor(stream: Output, enabled: boolean) {
    this.#stream = stream;
    this.#enabled = enabled && stream.isTTY === true;
  }

  /** Called before the program's output goes to the same terminal. */
  before(chunk: Uint8Array): void {
    if (!this.#enabled) return;
    this.clear();
    const last = chunk.at(-1);
    this.#isAtStart = last === undefined ? this.#isAtStart : last === 0x0a;
    this.#wroteAt = performance.now();
  }

  /** Draws the line, if this is a moment for it. */
  show(text: () => string): void {
    const now = performance.now();
    if (!this.#enabled || !this.#isAtStart || now - this.#wroteAt < SILENT_MS) return;
    if (this.#isShown && now - this.#drawnAt < REDRAW_MS) return;
    const line = shorten(printable(text()), Math.max(10, terminalColumns(this.#stream, 80) - 1));
    this.#stream.write(`\r\u001b[2K${line}`);
    this.#isShown = true;
    this.#drawnAt = now;
  }

  /** Takes the line away. */
  clear(): void {
    if (!this.#isShown) return;
    this.#stream.write('\r\u001b[2K');
    this.#isShown = false;
  }
}
