/** Goal: curves as text have the width asked for, and their highs and lows where they are. */
import test from 'ava';
import fc from 'fast-check';
import { sparkline, textInterval, textPlot } from '../../../../lib/pure/picture/text-plot.js';

test('sparkline: the least is low, the most is high', (t) => {
  t.is(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8), '▁▂▃▄▅▆▇█');
  t.is(sparkline([5, 5, 5], 8), '▁▁▁');
  t.is(sparkline([], 8), '');
  t.is(sparkline([0, NaN, 1], 8), '▁·█');
  t.is(sparkline([NaN, Infinity], 8), '··');
  t.is(sparkline([0, 0, 10, 10], 2), '▁█');
});

test('sparkline: never wider than asked for', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double(), { maxLength: 300 }),
      fc.integer({ min: 1, max: 40 }),
      (values, width) => {
        return [...sparkline(values, width)].length === Math.min(width, values.length);
      },
    ),
  );
  t.pass();
});

test('plots: a rising line goes from the lower left to the upper right', (t) => {
  const lines = textPlot(
    [
      { x: 10, y: 1 },
      { x: 20, y: 2 },
    ],
    { width: 4, height: 2 },
  );
  t.is(lines.length, 3);
  t.regex(lines[0] as string, /^2 ┤ +[⠁-⣿]{2}$/u);
  t.regex(lines[1] as string, /^1 ┤[⠁-⣿]{2}$/u);
  t.is(lines[2], '   10 20');
});

test('plots: none of fewer than two finite points', (t) => {
  t.deepEqual(textPlot([{ x: 0, y: 1 }], { width: 9, height: 3 }), []);
  t.deepEqual(
    textPlot(
      [
        { x: 0, y: 1 },
        { x: 1, y: NaN },
      ],
      { width: 9, height: 3 },
    ),
    [],
  );
});

test('plots: every line fits, whatever the numbers', (t) => {
  const point = fc.record({ x: fc.double(), y: fc.double() });
  fc.assert(
    fc.property(fc.array(point, { maxLength: 30 }), (points) => {
      const sorted = [...points].sort((a, b) => a.x - b.x);
      const lines = textPlot(sorted, { width: 20, height: 4 });
      return (
        lines.length === 0 || (lines.length === 5 && lines.every((line) => [...line].length < 60))
      );
    }),
  );
  t.pass();
});

test('intervals: a value between its ends', (t) => {
  t.is(textInterval(0.5, [0.25, 0.75], { low: 0, high: 1, width: 9 }), '  ├─●─┤');
  t.is(textInterval(0, [0, 0], { low: 0, high: 1, width: 5 }), '●');
});
