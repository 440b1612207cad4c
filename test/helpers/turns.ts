/**
 * Test files that share a process: their titles say the file, and the files take turns.
 *
 * ava starts all tests of a process at once. Here the tests of a file start when those of the files
 * before it are over, as if each file had its process; serial tests run first, one by one, as ever.
 */
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import type { ExecutionContext, Implementation, TestFn } from 'ava';
import { noteCost } from './costs.js';

/**
 * V8 optimizes what has run eight times as much as by default: most of what a test runs is over before its
 * optimized code has paid for itself, and the optimizer took a sixth of the suite's time.
 */
setFlagsFromString('--interrupt-budget=540672');

/**
 * Short-lived objects are collected by the thread that made them: its helpers have no core of their own, since
 * three processes of tests share two, and cost more than they save.
 */
setFlagsFromString('--no-parallel-scavenge');

/**
 * Makes `t.deepEqual` cheap for what is equal. ava compares arrays of bytes by the name of each element,
 * which was a tenth of the suite; what differs is still shown by it.
 */
function compareFast(t: ExecutionContext): void {
  const { deepEqual } = t;
  const compare = (actual: unknown, expected: unknown, message?: string): boolean =>
    isDeepStrictEqual(actual, expected) ? t.pass() : deepEqual(actual, expected, message);
  t.deepEqual = Object.assign(compare, { skip: deepEqual.skip }) as typeof deepEqual;
}

/** Tests of one file that are not over yet. */
class Turn {
  readonly #file: string;
  readonly #before: Promise<void>;
  #open = 0;
  #end!: () => void;
  readonly #over = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  constructor(file: string, before: Promise<void>) {
    this.#file = file;
    this.#before = before;
  }

  /** Adds a test, which runs in this turn and ends with its last teardown. */
  join(run: (t: ExecutionContext) => unknown): (t: ExecutionContext) => Promise<void> {
    this.#open++;
    return async (t) => {
      // The first teardown that is named is the last that runs.
      t.teardown(() => {
        this.#open--;
        if (this.#open > 0) return;
        noteCost(this.#file);
        this.#end();
      });
      await this.#before;
      compareFast(t);
      await run(t);
    };
  }

  /** When all of this turn and of those before it is over. */
  get over(): Promise<void> {
    return this.#open === 0 ? this.#before : this.#over;
  }
}

let last: Turn | undefined;

/** What a test file that shares its process gets for `test`. Files must be loaded one by one. */
export function testOf(file: string, test: TestFn): TestFn {
  const turn = new Turn(file, last === undefined ? Promise.resolve() : last.over);
  last = turn;
  noteCost('loading');
  const named = (title: string): string => `${file} › ${title}`;
  const inTurn = (title: string, run: Implementation<[]>): void => {
    test(named(title), turn.join(run as (t: ExecutionContext) => unknown));
  };
  const serial = (title: string, run: Implementation<[]>): void => {
    test.serial(named(title), async (t) => {
      t.teardown(() => noteCost(file));
      compareFast(t);
      await (run as (t: ExecutionContext) => unknown)(t);
    });
  };
  return Object.assign(inTurn, { serial }) as unknown as TestFn;
}
