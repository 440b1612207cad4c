/** Extents from claims: what overlaps is one extent, what touches is not, widths are the views'. */
import test from 'ava';
import fc from 'fast-check';
import { buildSpans, outside, type SpanClaim } from '../../../../lib/pure/formats/spans.js';

const view = (offset: number, bytes: number, width: SpanClaim['width'] = 4): SpanClaim => ({
  offset,
  bytes,
  width,
  byteSwap: false,
});
const span = (offset: number, width: number, count: number, byteSwap = false) => ({
  offset,
  width,
  count,
  byteSwap,
});

test('spans: adjacent claims stay apart, overlapping ones are united, equal ones are one', (t) => {
  const claims = [view(16, 8), view(0, 8), view(8, 8), view(20, 12), view(0, 8)];
  t.deepEqual(buildSpans(claims), [span(0, 4, 2), span(8, 4, 2), span(16, 4, 4)]);
});

test('spans: claims without bytes give nothing', (t) => {
  t.deepEqual(buildSpans([view(4, 0), view(0, 0)]), []);
});

test('spans: the width is that of the widest view at the start, else of the storage, else 1', (t) => {
  const storage = { ...view(0, 32, 2), storage: true };
  t.deepEqual(buildSpans([storage, view(0, 8, 4), view(0, 8, 8), view(8, 8, 1)])[0]?.width, 8);
  t.deepEqual(buildSpans([storage, view(8, 8, 4)])[0]?.width, 2);
  t.deepEqual(buildSpans([view(0, 3, 1)])[0]?.width, 1);
});

test('spans: the width falls where a view would begin inside an element', (t) => {
  t.deepEqual(buildSpans([view(0, 32, 8), view(4, 8, 4)]), [span(0, 4, 8)]);
  t.deepEqual(buildSpans([view(0, 8, 4), view(7, 4, 1)]), [span(0, 1, 11)]);
});

test('spans: big-endian views that agree are swapped, others keep the order of the file', (t) => {
  const big = (offset: number, bytes: number, width: SpanClaim['width']): SpanClaim => ({
    ...view(offset, bytes, width),
    byteSwap: true,
  });
  t.deepEqual(buildSpans([big(0, 16, 4), big(8, 16, 4)]), [span(0, 4, 6, true)]);
  t.deepEqual(buildSpans([big(0, 16, 4), view(8, 16, 4)]), [span(0, 1, 24)]);
  t.deepEqual(buildSpans([big(0, 16, 8), big(8, 8, 4)]), [span(0, 1, 16)]);
  t.deepEqual(buildSpans([big(0, 16, 4), big(6, 8, 4)]), [span(0, 1, 16)]);
});

test('spans: a large flat storage is cut where no view crosses', (t) => {
  const claims = [
    { ...view(0, 400, 2), storage: true },
    view(40, 40),
    view(80, 40),
    view(100, 40),
    view(140, 100),
  ];
  t.deepEqual(buildSpans(claims, 100), [
    span(0, 2, 20),
    span(40, 4, 10),
    span(80, 4, 15),
    span(140, 4, 65),
  ]);
  t.is(buildSpans(claims, 400).length, 1, 'a smaller one is not');
  const whole = [...claims, view(0, 400)];
  t.is(buildSpans(whole, 100).length, 1, 'a view of all of it crosses every boundary');
});

test('spans: any claims give sorted disjoint spans that hold each view whole', (t) => {
  const width = fc.constantFrom<SpanClaim['width']>(1, 2, 4, 8);
  const claim = fc.record({
    offset: fc.nat(400),
    bytes: fc.nat(60),
    width,
    byteSwap: fc.boolean(),
    storage: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(claim, { maxLength: 30 }), fc.constantFrom(50, 1e9), (claims, flat) => {
      const spans = buildSpans(claims, flat);
      let end = 0;
      for (const { offset, width, count, byteSwap } of spans) {
        if (offset < end || count < 1 || (byteSwap && width === 1)) return false;
        end = offset + width * count;
      }
      return claims.every((c) => {
        if (c.bytes === 0 || c.storage) return true;
        return spans.some(
          (s) =>
            s.offset <= c.offset &&
            c.offset + c.bytes <= s.offset + s.width * s.count &&
            (c.offset - s.offset) % s.width === 0,
        );
      });
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('spans: what of the ranges lies outside is what no span covers, byte by byte', (t) => {
  const piece = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 6 }));
  /** Disjoint pieces from gaps and lengths. */
  const laid = (pieces: [number, number][]): { offset: number; length: number }[] => {
    let end = 0;
    return pieces.map(([gap, length]) => {
      const offset = end + gap;
      end = offset + length;
      return { offset, length };
    });
  };
  const covered = (pieces: readonly { offset: number; length: number }[]): Set<number> =>
    new Set(
      pieces.flatMap(({ offset, length }) => [...Array(length).keys()].map((i) => offset + i)),
    );
  fc.assert(
    fc.property(fc.array(piece), fc.array(piece), (first, second) => {
      const ranges = laid(first).map((range) => ({ ...range, fixedLength: false }));
      const spans = laid(second).map(({ offset, length }) => span(offset, 1, length));
      const kept = outside([...ranges].reverse(), spans as never);
      const taken = covered(laid(second));
      t.deepEqual(covered(kept), new Set([...covered(ranges)].filter((at) => !taken.has(at))));
      for (const [i, { offset }] of kept.entries()) {
        if (i > 0) t.true(offset >= kept[i - 1]!.offset + kept[i - 1]!.length);
      }
    }),
  );
});
