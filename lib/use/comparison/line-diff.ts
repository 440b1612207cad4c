/** Two texts line by line: the shortest list of lines that go and come (Myers 1986), as hunks. */
import { pushAll } from '../../base/bytes/many.js';
import type { TextHunk } from './result.js';

/** Lines around a difference that are shown. */
const CONTEXT = 3;
/** Differing lines that the search goes through: texts further apart are shown as one block. */
const DISTANCE_MAX = 1000;

/** A run of lines: on both sides, or on one. */
interface Run {
  sign: ' ' | '-' | '+';
  lines: readonly string[];
}

export interface LineDiff {
  added: number;
  removed: number;
  hunks: TextHunk[];
  /** Lines that differ and are left out. */
  omitted: number;
}

/** Lines of a text; one at its end without a line break counts as well. */
export function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Compares two lists of lines. @param most  differing lines that are kept. */
export function diffLines(a: readonly string[], b: readonly string[], most: number): LineDiff {
  let start = 0;
  const least = Math.min(a.length, b.length);
  while (start < least && a[start] === b[start]) start++;
  let end = 0;
  while (end < least - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const middle = script(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const runs: Run[] = [
    { sign: ' ', lines: a.slice(0, start) },
    ...middle,
    { sign: ' ', lines: a.slice(a.length - end) },
  ];
  const count = (sign: string): number =>
    runs.reduce((sum, run) => sum + (run.sign === sign ? run.lines.length : 0), 0);
  const [added, removed] = [count('+'), count('-')];
  const { hunks, shown } = hunksOf(runs, most);
  return { added, removed, hunks, omitted: added + removed - shown };
}

/** Lines that go and come in the middle. O(distance²). */
function script(a: readonly string[], b: readonly string[]): Run[] {
  const whole: Run[] = [
    { sign: '-', lines: a },
    { sign: '+', lines: b },
  ];
  const most = Math.min(DISTANCE_MAX, a.length + b.length);
  /** Furthest line of `a` on each diagonal, for each distance. */
  const traces: Int32Array[] = [];
  let front = new Int32Array(2 * most + 3);
  for (let d = 0; d <= most; d++) {
    const next = front.slice();
    for (let k = -d; k <= d; k += 2) {
      const at = k + most + 1;
      const isDown = k === -d || (k !== d && (front[at - 1] as number) < (front[at + 1] as number));
      let x = isDown ? (front[at + 1] as number) : (front[at - 1] as number) + 1;
      while (x < a.length && x - k < b.length && x - k >= 0 && a[x] === b[x - k]) x++;
      next[at] = x;
      if (x >= a.length && x - k >= b.length) {
        traces.push(next);
        return walkBack(a, b, traces, most);
      }
    }
    traces.push(next);
    front = next;
  }
  return whole;
}

function walkBack(
  a: readonly string[],
  b: readonly string[],
  traces: readonly Int32Array[],
  most: number,
): Run[] {
  const steps: { sign: Run['sign']; line: string }[] = [];
  let [x, y] = [a.length, b.length];
  for (let d = traces.length - 1; d > 0; d--) {
    const front = traces[d - 1] as Int32Array;
    const k = x - y;
    const at = k + most + 1;
    const isDown = k === -d || (k !== d && (front[at - 1] as number) < (front[at + 1] as number));
    const fromX = front[isDown ? at + 1 : at - 1] as number;
    while (x > fromX + (isDown ? 0 : 1)) {
      steps.push({ sign: ' ', line: a[--x] as string });
      y--;
    }
    if (isDown) steps.push({ sign: '+', line: b[--y] as string });
    else steps.push({ sign: '-', line: a[--x] as string });
  }
  while (x > 0) steps.push({ sign: ' ', line: a[--x] as string });
  return grouped(steps.reverse());
}

/** Steps as runs, in which what goes stands before what comes. */
function grouped(steps: readonly { sign: Run['sign']; line: string }[]): Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < steps.length; ) {
    const isSame = steps[at]?.sign === ' ';
    let to = at;
    while (to < steps.length && (steps[to]?.sign === ' ') === isSame) to++;
    const some = steps.slice(at, to);
    for (const sign of isSame ? ([' '] as const) : (['-', '+'] as const)) {
      const lines = some.filter((step) => step.sign === sign).map(({ line }) => line);
      if (lines.length > 0) runs.push({ sign, lines });
    }
    at = to;
  }
  return runs;
}

function hunksOf(runs: readonly Run[], most: number): { hunks: TextHunk[]; shown: number } {
  const hunks: TextHunk[] = [];
  let [before, after, shown] = [1, 1, 0];
  let open: TextHunk | null = null;
  for (const [at, { sign, lines }] of runs.entries()) {
    if (sign === ' ') {
      const isLast = at === runs.length - 1;
      const tail = open === null ? 0 : Math.min(CONTEXT, lines.length);
      const hasNext = runs.slice(at + 1).some((run) => run.sign !== ' ' && run.lines.length > 0);
      const head = hasNext ? Math.min(CONTEXT, lines.length) : 0;
      if (open !== null && !isLast && hasNext && lines.length <= 2 * CONTEXT) {
        pushAll(
          open.lines,
          lines.map((line) => ` ${line}`),
        );
      } else {
        for (const line of lines.slice(0, tail)) open?.lines.push(` ${line}`);
        const skipped = lines.length - head;
        open = hasNext
          ? {
              before: before + skipped,
              after: after + skipped,
              lines: lines.slice(skipped).map((line) => ` ${line}`),
            }
          : null;
        if (open !== null) hunks.push(open);
      }
      before += lines.length;
      after += lines.length;
      continue;
    }
    const kept = lines.slice(0, Math.max(0, most - shown));
    for (const line of kept) open?.lines.push(`${sign}${line}`);
    shown += kept.length;
    if (sign === '-') before += lines.length;
    else after += lines.length;
  }
  return { hunks: hunks.filter(({ lines }) => lines.some((line) => line[0] !== ' ')), shown };
}
