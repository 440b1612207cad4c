/** Goal: axes cover their data and plots stay within their frame, whatever the numbers. */
import test from 'ava';
import fc from 'fast-check';
import {
  barPlot,
  byteTicks,
  escapeXml,
  linePlot,
  niceTicks,
} from '../../../../../lib/cli/output/bench/svg-plot.js';

const numbers = fc.double({ min: -1e12, max: 1e12, noNaN: true });
const OPTIONS = { title: 't', xLabel: 'x', yLabel: 'y' };

test('ticks: cover the range, ascending, not too many', (t) => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      const ticks = niceTicks(low, high);
      const slack = 1e-6 * Math.max(Math.abs(low), Math.abs(high), 1e-300);
      return (
        ticks.length >= 2 &&
        ticks.length <= 14 &&
        ticks.every((tick, i) => i === 0 || tick > (ticks[i - 1] as number)) &&
        (ticks[0] as number) <= low + slack &&
        (ticks.at(-1) as number) >= high - slack
      );
    }),
  );
  t.deepEqual(niceTicks(0, 10), [0, 2, 4, 6, 8, 10]);
});

test('ticks: of bytes are round in the unit they are written in', (t) => {
  const MiB = 2 ** 20;
  t.deepEqual(byteTicks(0, 50 * MiB), [0, 10 * MiB, 20 * MiB, 30 * MiB, 40 * MiB, 50 * MiB]);
  t.deepEqual(byteTicks(0, 5000), [0, 1024, 2048, 3072, 4096, 5120]);
  t.deepEqual(byteTicks(0, 0).length, 2);
});

test('line plots: a bound of one point is drawn', (t) => {
  const bound = { name: 'lower bound', kind: 'dashed', points: [{ x: 1, y: 2 }] } as const;
  t.regex(linePlot([bound], OPTIONS), /<circle/);
});

function coordinates(svg: string): number[] {
  return [...svg.matchAll(/ c?[xy][12]?="(-?[^"]+)"/g)].map(([, value]) => Number(value));
}

test('line plots: every point lies in the frame', (t) => {
  const point = fc.record({ x: numbers, y: numbers });
  fc.assert(
    fc.property(fc.array(point, { maxLength: 20 }), (points) => {
      const svg = linePlot([{ name: 'a', points }], OPTIONS);
      return coordinates(svg).every((value) => value >= -0.5 && value <= 720.5);
    }),
  );
  t.pass();
});

test('bar plots: heights are shares of the tallest', (t) => {
  const bars = [
    { name: 'one', parts: [1, 1] },
    { name: 'two', parts: [4, 0] },
  ];
  const svg = barPlot(bars, ['low', 'high'], OPTIONS);
  const heights = [...svg.matchAll(/height="([\d.]+)"><title>/g)].map(([, value]) => Number(value));
  t.is(heights.length, 4);
  t.true(Math.abs((heights[2] as number) / (heights[0] as number) - 4) < 0.05);
  t.is(heights[3], 0);
});

test('text is escaped', (t) => {
  t.is(escapeXml(`<a b="c">'&`), '&lt;a b=&quot;c&quot;&gt;&#39;&amp;');
});
