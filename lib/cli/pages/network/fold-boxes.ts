/** Neighbours in a picture of a network that are put together into one box, until few enough are left. */
import { shorten } from '../../output/table.js';
import { type Box, type Detail, type DrawnLayer, NO_LAYERS, textWidth } from './box.js';

/** Module of a layer at a depth: 'encoder.layer.3'. */
function moduleOf({ name, graph }: DrawnLayer, depth: number): string {
  return name.slice(graph.length).split(/[./]/).slice(0, depth).join('.');
}

/** Puts neighbours of one module together until few enough are left; then any neighbours. */
export function foldBoxes(boxes: Box[], { boxesMax, open }: Detail): Box[] {
  if (boxes.length <= boxesMax) return boxes;
  for (let depth = 6; depth > 0; depth--) {
    const runs = runsOf(boxes, (box) => moduleOf(box.layers[0] as DrawnLayer, depth));
    if (runs.length <= boxesMax) return runs.flatMap((run) => foldRun(run, depth, open));
  }
  const step = Math.ceil(boxes.length / boxesMax);
  const runs = Array.from({ length: Math.ceil(boxes.length / step) }, (_, i) =>
    boxes.slice(i * step, (i + 1) * step),
  );
  return runs.flatMap((run) => foldRun(run, 0, open));
}

function runsOf(boxes: readonly Box[], key: (box: Box) => string): Box[][] {
  const runs: Box[][] = [];
  let last: string | null = null;
  for (const box of boxes) {
    const own = key(box);
    const run = runs.at(-1);
    // A layer with graphs of its own stands alone.
    if (run !== undefined && own === last && box.bodies.length === 0) run.push(box);
    else runs.push([box]);
    last = box.bodies.length > 0 ? null : own;
  }
  return runs;
}

function foldRun(run: readonly Box[], depth: number, open: ReadonlySet<string>): readonly Box[] {
  const layers = run.flatMap((box) => box.layers);
  if (run.length === 1 || open.has(layers[0]?.alias ?? '')) return run;
  const name = depth > 0 ? moduleOf(layers[0] as DrawnLayer, depth) : '';
  const span = `${layers[0]?.alias ?? ''} … ${layers.at(-1)?.alias ?? ''}`;
  const folded = shorten(name === '' ? span : name, 34);
  const width = Math.round(Math.min(280, Math.max(150, textWidth(folded, 12.5) + 26)));
  return [
    { ...NO_LAYERS, layers, folded, folds: 'open', end: null, width, height: 34, to: new Set() },
  ];
}
