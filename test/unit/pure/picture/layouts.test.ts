/** Goal: layouts of graphs lose nothing and let nothing overlap, whatever the graph, and are always the same. */
import test from 'ava';
import fc from 'fast-check';
import { drawDescent, layDescent } from '../../../../lib/pure/picture/descent.js';
import { type LayeredBox, layLayers } from '../../../../lib/pure/picture/layered.js';

/** Graphs whose edges go from earlier boxes to later ones. */
const graphs = fc
  .array(
    fc.record({
      width: fc.integer({ min: 10, max: 300 }),
      height: fc.integer({ min: 10, max: 80 }),
      to: fc.array(fc.nat(1000), { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((boxes) =>
    boxes.map(
      (box, i): LayeredBox => ({
        ...box,
        to: [...new Set(box.to.map((seed) => i + 1 + (seed % 7)))].filter(
          (to) => to < boxes.length,
        ),
      }),
    ),
  );

test('layers: boxes stay in the picture and do not overlap; edges go down and are all there', (t) => {
  fc.assert(
    fc.property(graphs, (boxes) => {
      const { places, edges, width, height, hidden } = layLayers(boxes);
      const rects = places.map(({ x, y }, i) => {
        const box = boxes[i] as LayeredBox;
        return { left: x, top: y, right: x + box.width, bottom: y + box.height };
      });
      const inside = rects.every(
        ({ left, top, right, bottom }) =>
          left >= -0.2 && top >= 0 && right <= width + 1 && bottom <= height + 1,
      );
      const apart = rects.every((a, i) =>
        rects.every(
          (b, k) =>
            k <= i ||
            a.right <= b.left + 0.2 ||
            b.right <= a.left + 0.2 ||
            a.bottom <= b.top ||
            b.bottom <= a.top,
        ),
      );
      const wanted = boxes.reduce((sum, { to }) => sum + to.length, 0);
      const down = edges.every(
        ({ from, to }) => (rects[from]?.bottom ?? 0) < (rects[to]?.top ?? 0),
      );
      return inside && apart && down && edges.length + hidden === wanted;
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('layers: a chain is one straight column', (t) => {
  const chain = Array.from({ length: 5 }, (_, i): LayeredBox => {
    return { width: 20 + 10 * i, height: 10, to: i < 4 ? [i + 1] : [] };
  });
  const { places, edges } = layLayers(chain);
  const middles = places.map(({ x }, i) => x + (chain[i] as LayeredBox).width / 2);
  t.true(Math.max(...middles) - Math.min(...middles) < 0.2);
  t.true(edges.every(({ path }) => !path.includes('C')));
});

test('layers: a skip over a block does not cross it', (t) => {
  // 0 → 1 → 2 → 3, and 0 → 3 beside.
  const boxes: LayeredBox[] = [
    { width: 50, height: 10, to: [1, 3] },
    { width: 50, height: 10, to: [2] },
    { width: 50, height: 10, to: [3] },
    { width: 50, height: 10, to: [] },
  ];
  const { places, edges } = layLayers(boxes);
  const skip = edges.find(({ from, to }) => from === 0 && to === 3)?.path ?? '';
  const bends = [...skip.matchAll(/ ([\d.]+) [\d.]+(?=V|C|$)/g)].map(([, x]) => Number(x));
  const [left, right] = [places[1]?.x ?? 0, (places[1]?.x ?? 0) + 50];
  t.true(
    bends.slice(0, -1).every((x) => x <= left || x >= right),
    skip,
  );
});

test('layers: many boxes and long edges take bounded time and room', (t) => {
  const many = Array.from({ length: 3000 }, (_, i): LayeredBox => {
    return { width: 100, height: 30, to: [i + 1, i + 900].filter((to) => to < 3000) };
  });
  const { hidden, edges } = layLayers(many);
  t.is(edges.length + hidden, 2999 + 2100);
  t.true(hidden > 0);
});

test('descent: every line ends where the next row takes it up', (t) => {
  const histories = fc
    .array(fc.array(fc.nat(1000), { maxLength: 3 }), { maxLength: 30 })
    .map((rows) =>
      rows.map((parents, i) => ({
        id: `v${i}`,
        parents: parents.map((seed) => `v${i + 1 + (seed % 5)}`),
      })),
    );
  fc.assert(
    fc.property(histories, (nodes) => {
      const rows = layDescent(nodes);
      return rows.every(({ lines, id }, i) => {
        const next = rows[i + 1];
        const bottom = new Set(lines.flatMap(({ to }) => (to === 'node' ? [] : [to])));
        const parents = new Set(nodes[i]?.parents);
        const fromNode = lines.filter(({ from }) => from === 'node').length;
        if (fromNode !== parents.size || rows[i]?.id !== id) return false;
        if (next === undefined) return true;
        const top = new Set(next.lines.flatMap(({ from }) => (from === 'node' ? [] : [from])));
        return bottom.size === top.size && [...bottom].every((column) => top.has(column));
      });
    }),
  );
  t.pass();
});

test('descent: a side branch has a column of its own and comes back', (t) => {
  const rows = layDescent([
    { id: 'd', parents: ['c', 'b'] },
    { id: 'c', parents: ['a'] },
    { id: 'b', parents: ['a'] },
    { id: 'a', parents: [] },
  ]);
  t.deepEqual(
    rows.map(({ column }) => column),
    [0, 0, 1, 0],
  );
  t.is(drawDescent(rows).length, 4);
});
