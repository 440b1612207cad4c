/** Reads the TAP lines that ava prints, one at a time. */

/** One reported test. `details` are the lines of its diagnostic block, without the fence. */
export interface TapResult {
  outcome: 'passed' | 'failed' | 'skipped';
  title: string;
  details: string[];
}

/** Counts results and hands each to `onResult` once its details are complete. */
export class TapReader {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** True once the closing plan line was read: the report is whole. */
  complete = false;
  #open: TapResult | undefined;
  readonly #onResult: (result: TapResult) => void;

  constructor(onResult: (result: TapResult) => void = () => {}) {
    this.#onResult = onResult;
  }

  push(line: string): void {
    const match = /^(not )?ok \d+ - (.*?)(?: # ([A-Z]{4}))?$/.exec(line);
    if (match) {
      this.end();
      const outcome = match[1] ? 'failed' : match[3] === 'SKIP' ? 'skipped' : 'passed';
      this[outcome]++;
      this.#open = { outcome, title: match[2]!, details: [] };
    } else if (this.#open && /^# {3}/.test(line)) {
      // What the test logged stands before its diagnostic block.
      this.#open.details.push(line.slice(4));
    } else if (/^(#|1\.\.\d|TAP version)/.test(line)) {
      this.end();
      if (line.startsWith('1..')) this.complete = true;
    } else if (this.#open && !/^ {2}(---|\.\.\.)$/.test(line)) {
      this.#open.details.push(line.replace(/^ {4}/, ''));
    }
  }

  /** Hands over the last result. */
  end(): void {
    if (this.#open) this.#onResult(this.#open);
    this.#open = undefined;
  }
}
