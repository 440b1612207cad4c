/** Goal: axes cover their data, plots stay in their frames, and no spike is lost, whatever the numbers. */
import test from 'ava';
import fc from 'fast-check';
import { axisOf, byteTicks, logTicks, niceTicks } from '../../../../lib/pure/picture/axis.js';
import { thin } from '../../../../lib/pure/picture/curve.js';
import { barPlot, intervalPlots, linePlot, sparkPlot } from '../../../../lib/pure/picture/plot.js';

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

test('ticks: of magnitudes are powers of ten around the range', (t) => {
  t.deepEqual(
    logTicks(3e-5, 0.2),
    [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1].map((x) => 10 ** Math.round(Math.log10(x))),
  );
  t.deepEqual(logTicks(5, 5), [1, 10]);
  fc.assert(
    fc.property(fc.double({ min: 1e-200, max: 1e200, noNaN: true }), (low) => {
      const ticks = logTicks(low, low * 1e5);
      return (ticks[0] as number) <= low * 1.000001 && (ticks.at(-1) as number) >= low * 0.99e5;
    }),
  );
});

test('axes: a scale of magnitudes falls back where a number is not above 0', (t) => {
  t.is(axisOf([1, 100], { scale: 'log' }).share(10), 0.5);
  t.is(axisOf([0, 100], { scale: 'log' }).share(50), 0.5);
});

function coordinates(svg: string): number[] {
  const named = [...svg.matchAll(/ c?[xy][12]?="(-?[^"]+)"/g)].map(([, value]) => Number(value));
  const points = [...svg.matchAll(/ points="([^"]*)"/g)].flatMap(([, list = '']) =>
    list.split(/[ ,]/).map(Number),
  );
  return [...named, ...points];
}

test('line plots: every point lies in the frame', (t) => {
  const point = fc.record({
    x: numbers,
    y: fc.oneof(numbers, fc.constantFrom(NaN, Infinity, 1.7e308)),
  });
  fc.assert(
    fc.property(fc.array(point, { maxLength: 20 }), fc.boolean(), (points, isLog) => {
      const svg = linePlot([{ name: 'a', points }], {
        ...OPTIONS,
        xScale: isLog ? 'log' : 'linear',
      });
      return coordinates(String(svg)).every((value) => value >= -0.5 && value <= 520.5);
    }),
    {
      numRuns: 300,
      // The least and the largest number on a logarithmic axis.
      examples: [
        [[{ x: 5e-324, y: NaN }], true],
        [
          [
            { x: 5e-324, y: 1 },
            { x: 1.79e308, y: 2 },
          ],
          true,
        ],
      ],
    },
  );
  t.pass();
});

test('line plots: a bound of one point is drawn, and what is not a number is a mark', (t) => {
  const bound = { name: 'lower bound', kind: 'dashed', points: [{ x: 1, y: 2 }] } as const;
  t.regex(String(linePlot([bound], OPTIONS)), /<circle/);
  const broken = [1, 2, NaN, 4, 5].map((y, x) => ({ x, y }));
  const svg = String(linePlot([{ name: 'loss', points: broken }], OPTIONS));
  t.is(svg.match(/<polyline/g)?.length, 2);
  t.regex(svg, /<title>loss: NaN at 2<\/title>/);
});

test('bar plots: heights are shares of the tallest', (t) => {
  const bars = [
    { name: 'one', parts: [1, 1] },
    { name: 'two', parts: [4, 0] },
  ];
  const svg = String(barPlot(bars, ['low', 'high'], OPTIONS));
  const heights = [...svg.matchAll(/height="([\d.]+)"><title>/g)].map(([, value]) => Number(value));
  t.is(heights.length, 4);
  t.true(Math.abs((heights[2] as number) / (heights[0] as number) - 4) < 0.05);
  t.is(heights[3], 0);
});

test('thin: keeps the ends, every extreme and the order', (t) => {
  fc.assert(
    fc.property(
      fc.array(numbers, { minLength: 1, maxLength: 2000 }),
      fc.integer({ min: 1, max: 50 }),
      (ys, buckets) => {
        const points = ys.map((y, x) => ({ x, y }));
        const kept = thin(points, buckets);
        const values = kept.map(({ y }) => y);
        return (
          kept.length <= 2 * buckets + 2 + ys.length * Number(ys.length <= 2 * buckets) &&
          kept[0] === points[0] &&
          kept.at(-1) === points.at(-1) &&
          Math.min(...values) === Math.min(...ys) &&
          Math.max(...values) === Math.max(...ys) &&
          kept.every(({ x }, i) => i === 0 || x > (kept[i - 1]?.x as number))
        );
      },
    ),
  );
  const spiky = Array.from({ length: 5000 }, (_, x) => ({ x, y: x === 3333 ? NaN : 0 }));
  t.true(thin(spiky, 10).some(({ y }) => Number.isNaN(y)));
});

test('sparks and intervals: nothing where there is nothing to draw', (t) => {
  t.is(sparkPlot([{ x: 0, y: NaN }], ''), null);
  t.is(sparkPlot([{ x: 0, y: 1 }], ''), null);
  t.regex(
    String(
      sparkPlot(
        [
          { x: 0, y: 1 },
          { x: 1, y: 1 },
        ],
        'flat',
      ),
    ),
    /polyline/,
  );
  const { plots, low, high } = intervalPlots([null, { value: 0.5, interval: [0.4, 0.7] }], {
    title: String,
    mark: 0,
  });
  t.is(plots[0], null);
  t.true(low <= 0 && high >= 0.7);
});
