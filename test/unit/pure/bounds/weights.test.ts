/** Center and radius hold every weight between its ends; a norm's scale and shift hold what float64 gives. */
import test from 'ava';
import fc from 'fast-check';
import {
  formNamed,
  normInputs,
  roundDown,
  roundUp,
  weightInput,
} from '../../../../lib/pure/bounds/weights.js';

const finite = fc.float({ noNaN: true, noDefaultInfinity: true });

test('weights: rounding goes to the next float32 on the asked side', (t) => {
  fc.assert(
    fc.property(fc.double({ min: -1e30, max: 1e30, noNaN: true }), (value) => {
      const [down, up] = [roundDown(value), roundUp(value)];
      return down <= value && value <= up && Math.fround(down) === down && Math.fround(up) === up;
    }),
  );
  t.is(roundUp(1e-60), 2 ** -149);
  t.is(roundUp(0), 0);
});

test('weights: both ends are within the radius of the center', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(finite, finite), { minLength: 1, maxLength: 9 }), (pairs) => {
      const low = Float32Array.from(pairs, ([a, b]) => Math.min(a, b));
      const high = Float32Array.from(pairs, ([a, b]) => Math.max(a, b));
      const bounds = () => ({ low, high });
      const make = (form: 'center' | 'radius') => weightInput('w', form, [low.length]).make(bounds);
      const [center, radius] = [make('center'), make('radius')];
      return pairs.every((_, i) => {
        const [c, r] = [center[i], radius[i]] as [number, number];
        return c - r <= (low[i] as number) && (high[i] as number) <= c + r;
      });
    }),
  );
  t.pass();
});

test('weights: a norm of known parameters is what its formula gives, one of intervals holds it', (t) => {
  const names = { scale: 'g', bias: 'b', mean: 'm', variance: 'v', epsilon: 1e-5 };
  const of = (wide: number) => (name: string) => {
    const value = { g: -1.5, b: 0.25, m: 2, v: 0.3 }[name] as number;
    return { low: Float32Array.of(value - wide), high: Float32Array.of(value + wide) };
  };
  const forms = normInputs(names, [1, 1]);
  const at = (key: string, wide: number) => formNamed(forms, key).make(of(wide))[0] as number;
  const [g, b, m, v] = ['g', 'b', 'm', 'v'].map((name) => of(0)(name).low[0] as number) as [
    number,
    number,
    number,
    number,
  ];
  const scale = g / Math.sqrt(v + 1e-5);
  for (const [key, value] of [
    ['scale', scale],
    ['shift', b - m * scale],
  ] as const) {
    for (const wide of [0, 0.01]) {
      t.true(at(`${key}.low`, wide) <= value && value <= at(`${key}.high`, wide), key);
    }
    t.true(at(`${key}.high`, 0) - at(`${key}.low`, 0) < 1e-6 * Math.abs(value));
    t.true(at(`${key}.high`, 0.01) - at(`${key}.low`, 0.01) > 0.01);
  }
});
