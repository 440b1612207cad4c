/**
 * `log --graph`. Goal: drawings that read like git's. Method: goldens for the shapes people meet, and
 * a property for random graphs: from every version a line of the drawing leads to each of its parents.
 */
import test from 'ava';
import fc from 'fast-check';
import {
  besideGraph,
  drawGraph,
  type GraphNode,
} from '../../../../../lib/cli/output/versions/graph.js';

/** `c:a,b` is version c with the parents a and b. */
function parse(text: string): GraphNode[] {
  return text.split(' ').map((item) => {
    const [id, parents] = item.split(':');
    return { id: id!, parents: parents ? parents.split(',') : [] };
  });
}

function draw(text: string): string {
  return drawGraph(parse(text))
    .flatMap((row) => besideGraph(row, [row.id]))
    .join('\n');
}

function golden(...lines: string[]): string {
  return lines.join('\n');
}

test('graph: one line', (t) => {
  t.is(draw('c:b b:a a'), golden('* c', '* b', '* a'));
});

test('graph: two branches from one version', (t) => {
  t.is(draw('d:b c:b b:a a'), golden('* d', '| * c', '|/', '* b', '* a'));
});

test('graph: a merge', (t) => {
  t.is(draw('d:b,c c:a b:a a'), golden('*   d', '|\\', '| * c', '* | b', '|/', '* a'));
});

test('graph: three branches join one after another', (t) => {
  t.is(draw('x:a y:a z:a a'), golden('* x', '| * y', '|/', '| * z', '|/', '* a'));
  t.is(
    draw('x:b y:c z:a c:a b:a a'),
    golden('* x', '| * y', '| | * z', '| * | c', '| |/', '* | b', '|/', '* a'),
  );
});

test('graph: a line passes under another', (t) => {
  t.is(
    draw('x:a y:b z:a b:a a'),
    golden('* x', '| * y', '| | * z', '| |/', '|/|', '| * b', '|/', '* a'),
  );
});

test('graph: criss-cross merges', (t) => {
  t.is(
    draw('m:a,b n:b,a a:r b:r r'),
    golden('*   m', '|\\', '| | * n', '| |/', '|/|', '* | a', '| * b', '|/', '* r'),
  );
});

test('graph: an octopus', (t) => {
  t.is(
    draw('m:a,b,c a:r b:r c:r r'),
    golden('*     m', '|\\', '| |\\', '* | | a', '| * | b', '|/ /', '| * c', '|/', '* r'),
  );
});

test('graph: several roots', (t) => {
  t.is(draw('b:a a d:c c'), golden('* b', '* a', '* d', '* c'));
  t.is(draw('b:a d:c a e:c c'), golden('* b', '| * d', '* | a', ' /', '| * e', '|/', '* c'));
});

test('graph: parents outside the drawing keep their column to its end', (t) => {
  t.is(draw('b:gone a:gone2'), golden('* b', '| * a'));
});

test('graph: text longer than the drawing runs beside the open lines', (t) => {
  const rows = drawGraph(parse('m:a,b b:a a'));
  t.deepEqual(besideGraph(rows[0]!, ['m', 'two', 'three']), ['*   m', '|\\  two', '| | three']);
  t.deepEqual(besideGraph(rows[1]!, ['b', 'two', 'three']), ['| * b', '|/  two', '|   three']);
  t.deepEqual(besideGraph(rows[2]!, ['a', 'two']), ['* a', '  two']);
});

/** The lines of a whole drawing and where the `*` of each version stands. */
function drawAll(nodes: GraphNode[]): { lines: string[]; stars: Map<string, [number, number]> } {
  const lines: string[] = [];
  const stars = new Map<string, [number, number]>();
  for (const { id, rows } of drawGraph(nodes)) {
    stars.set(id, [lines.length, rows[0]!.indexOf('*')]);
    lines.push(...rows);
  }
  return { lines, stars };
}

/** All stars that a line leads to from the star at `row`, `column`. */
function follow(lines: string[], row: number, column: number): Set<string> {
  const found = new Set<string>();
  let heads = new Set([column]);
  for (let at = row + 1; at < lines.length && heads.size > 0; at++) {
    const line = lines[at]!;
    const next = new Set<number>();
    for (const head of heads) {
      if (line[head] === '*') found.add(`${at},${head}`);
      if (line[head] === '|') next.add(head);
      if (line[head - 1] === '/') next.add(head - 2);
      if (line[head + 1] === '\\') next.add(head + 2);
    }
    heads = next;
  }
  return found;
}

const graphs = fc
  .array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 1, maxLength: 30 })
  .map((all) =>
    all.map((steps, index): GraphNode => {
      const parents = steps.map((step) => index + 1 + step).filter((at) => at < all.length);
      return { id: String(index), parents: [...new Set(parents)].map(String) };
    }),
  );

test('graph: from every version a line leads to each of its parents', (t) => {
  fc.assert(
    fc.property(graphs, (nodes) => {
      const { lines, stars } = drawAll(nodes);
      for (const { id, parents } of nodes) {
        const reached = follow(lines, ...stars.get(id)!);
        for (const parent of parents) if (!reached.has(stars.get(parent)!.join())) return false;
      }
      return lines.every((line) => !/[^ |/\\*]/.test(line) && line === line.trimEnd());
    }),
  );
  t.pass();
});
