/** A network as a picture: its layers as boxes, activations in the box before them, branches in frames. */
import { type LayeredGraph, layLayers } from '../../pure/picture/layered.js';
import { html, type Markup } from '../../pure/picture/markup.js';
import { shorten } from '../output/table.js';

/** What is drawn of a layer. */
export interface DrawnLayer {
  alias: string;
  name: string;
  kind: string;
  type: string;
  /** '[1, 64, 14, 14]' and the like. */
  shape: string;
  /** What is told at the right: '36.9 k'. */
  size: string;
  /** What a pointer is told. */
  about: string;
  /** Aliases of the layers right behind it. */
  succ: readonly string[];
  /** '' in the main graph, else 'if1.then/'. */
  graph: string;
  inputs: readonly string[];
  outputs: readonly string[];
  /** Of a picture of several networks. */
  status?: 'added' | 'removed' | 'changed' | 'equal';
}

/** Kinds that are drawn in the box of the layer that they follow. */
const FOLLOWING = new Set(['act', 'norm', 'dropout', 'reshape']);
const SIGNS = { added: '+', removed: '−', changed: '~', equal: '' } as const;
/** Boxes of one graph; above this, neighbours in one module become one box. */
const BOXES_MAX = 420;
const PADDING = 12;
const TITLE = 22;
/** Graphs of one layer that are drawn side by side. */
const BODIES_WIDTH_MAX = 1000;

/** Several layers that are one box. */
interface Box {
  layers: DrawnLayer[];
  /** Graphs that its first layer runs. */
  bodies: { name: string; drawn: DrawnGraph }[];
  /** Its graphs in words, where they are small. */
  small: string;
  /** What is written when it stands for many layers; null for a box of its own. */
  folded: string | null;
  /** What a click on it may do; null: nothing. */
  folds: 'open' | 'shut' | null;
  /** An input or output of the graph. */
  end: string | null;
  width: number;
  height: number;
  to: Set<number>;
}

interface DrawnGraph {
  boxes: Box[];
  layout: LayeredGraph;
}

/** What is folded of a picture. Boxes are named by the alias of their first layer. */
export interface Folding {
  /** Boxes of one graph: above this, neighbours in one module become one. */
  boxesMax?: number;
  /** Of boxes that stand for many layers, those that are drawn as these layers all the same. */
  open?: ReadonlySet<string>;
  /** Layers whose graphs are told in words. */
  shut?: ReadonlySet<string>;
}

/** The picture of a network, and edges that are too many to be drawn. */
export function networkFigure(
  layers: readonly DrawnLayer[],
  title: string,
  { boxesMax = BOXES_MAX, open = NONE, shut = NONE }: Folding = {},
): { picture: Markup; hidden: number } {
  const byGraph = new Map<string, DrawnLayer[]>();
  for (const layer of layers) {
    const own = byGraph.get(layer.graph);
    if (own === undefined) byGraph.set(layer.graph, [layer]);
    else own.push(layer);
  }
  const main = layOut('', byGraph, { depth: 0, boxesMax, open, shut });
  const { width, height } = main.layout;
  const painter = new Painter();
  const body = painter.graph(main);
  const [w, h] = [width + 2 * PADDING, height + 2 * PADDING];
  const picture = html`<div class="net" tabindex="0" role="group" aria-label="${title}"><svg viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="${title}"><g transform="translate(${PADDING} ${PADDING})">${body}</g></svg></div>`;
  return { picture, hidden: painter.hidden };
}

/** Bodies of bodies that are drawn. */
const DEPTH_MAX = 8;

const NONE: ReadonlySet<string> = new Set();

/** How deep a graph lies, and what is folded in it. */
interface Detail extends Required<Folding> {
  depth: number;
}

function layOut(
  path: string,
  graphs: ReadonlyMap<string, readonly DrawnLayer[]>,
  detail: Detail,
): DrawnGraph {
  const own = graphs.get(path) ?? [];
  const groups = groupLayers(own);
  const boxes = foldBoxes(
    groups.map((group) => {
      const [first] = group as [DrawnLayer];
      const isShut = detail.shut.has(first.alias);
      const bodies = detail.depth < DEPTH_MAX && !isShut ? bodiesOf(group, graphs, detail) : [];
      const box = newBox(group, bodies, smallBodies(first, graphs));
      box.folds = isShut ? 'open' : bodies.length > 0 ? 'shut' : null;
      return box;
    }),
    detail,
  );
  const places = new Map<string, number>();
  boxes.forEach((box, i) => {
    for (const { alias } of box.layers) places.set(alias, i);
  });
  boxes.forEach((box, i) => {
    for (const { succ } of box.layers) {
      for (const alias of succ) {
        const to = places.get(alias);
        if (to !== undefined && to > i) box.to.add(to);
      }
    }
  });
  // What a branch gives has no name that anybody knows.
  const all = path === '' ? withEnds(boxes) : boxes;
  const layout = layLayers(all.map(({ width, height, to }) => ({ width, height, to: [...to] })));
  return { boxes: all, layout };
}

function bodiesOf(
  [first]: readonly DrawnLayer[],
  graphs: ReadonlyMap<string, readonly DrawnLayer[]>,
  detail: Detail,
): Box['bodies'] {
  const start = `${first?.alias ?? ''}.`;
  const found: Box['bodies'] = [];
  const paths: string[] = [];
  for (const path of graphs.keys()) {
    if (!path.startsWith(start)) continue;
    const name = path.slice(start.length, -1);
    if (!name.includes('/')) paths.push(path);
  }
  // Branches of a layer or two are told in words: most choose how to squeeze a value.
  if (paths.every((path) => isSmall(path, graphs))) return [];
  for (const path of paths) {
    found.push({
      name: path.slice(start.length, -1),
      drawn: layOut(path, graphs, { ...detail, depth: detail.depth + 1 }),
    });
  }
  return found;
}

/** Layers of a graph that is told in words. */
const SMALL_MAX = 2;

/** True of a small graph whose layers run no other. */
function isSmall(path: string, graphs: ReadonlyMap<string, readonly DrawnLayer[]>): boolean {
  const own = graphs.get(path) ?? [];
  const runsOthers = [...graphs.keys()].some((other) => other !== path && other.startsWith(path));
  return own.length <= SMALL_MAX && !runsOthers;
}

/** `then: unsqueeze, else: identity`: small graphs that a layer runs. */
function smallBodies(
  { alias }: DrawnLayer,
  graphs: ReadonlyMap<string, readonly DrawnLayer[]>,
): string {
  const start = `${alias}.`;
  return [...graphs]
    .filter(([path]) => path.startsWith(start) && !path.slice(start.length, -1).includes('/'))
    .map(([path, own]) => {
      const few = own.map(({ type }) => type.toLowerCase()).join(' ');
      const words = own.length <= SMALL_MAX ? few : `${own.length} layers`;
      return `${path.slice(start.length, -1)}: ${words}`;
    })
    .join(', ');
}

/** A layer with those that alone follow it and do little by themselves. */
function groupLayers(layers: readonly DrawnLayer[]): DrawnLayer[][] {
  const uses = new Map<string, number>();
  for (const { succ } of layers) {
    for (const alias of succ) uses.set(alias, (uses.get(alias) ?? 0) + 1);
  }
  const byAlias = new Map(layers.map((layer) => [layer.alias, layer]));
  const groups: DrawnLayer[][] = [];
  const groupOf = new Map<string, DrawnLayer[]>();
  for (const layer of layers) {
    const { alias, succ } = layer;
    const group = groupOf.get(alias) ?? [];
    if (group.length === 0) groups.push(group);
    group.push(layer);
    const [only] = succ;
    const next = only === undefined ? undefined : byAlias.get(only);
    const follows =
      succ.length === 1 &&
      next !== undefined &&
      FOLLOWING.has(next.kind) &&
      uses.get(next.alias) === 1 &&
      layer.outputs.length === 0;
    if (follows) groupOf.set(next.alias, group);
  }
  return groups;
}

/** Width of text of 12 pixels: bold is wider. */
function textWidth(text: string, size = 12): number {
  return [...text].length * size * 0.58;
}

function newBox(layers: DrawnLayer[], bodies: Box['bodies'], small: string): Box {
  const [first, ...rest] = layers as [DrawnLayer, ...DrawnLayer[]];
  const box: Box = {
    layers,
    bodies,
    small,
    folded: null,
    folds: null,
    end: null,
    width: 0,
    height: 0,
    to: new Set(),
  };
  if (bodies.length > 0) {
    const { width, height } = placeBodies(bodies);
    box.width = width;
    box.height = height;
    return box;
  }
  const texts = linesOf(first, rest, small);
  const widest = Math.max(
    textWidth(`${texts.title} ${texts.size}`, 12.5) + 26,
    textWidth(texts.shape, 10.5) + 20,
    textWidth(texts.follows, 10.5) + 20,
  );
  box.width = Math.round(Math.min(260, Math.max(104, widest)));
  box.height = texts.follows === '' ? 34 : 48;
  return box;
}

/** Graphs of a layer side by side, or one below the other where that is too wide. */
function placeBodies(bodies: Box['bodies']): {
  places: { x: number; y: number; width: number; height: number }[];
  width: number;
  height: number;
} {
  const sizes = bodies.map(({ drawn: { layout } }) => {
    return { width: layout.width + 2 * PADDING, height: layout.height + 2 * PADDING };
  });
  const beside = sizes.reduce((sum, { width }) => sum + width + PADDING, PADDING);
  const isBeside = beside <= BODIES_WIDTH_MAX;
  const [x, y] = [PADDING, TITLE + 4];
  let at = isBeside ? x : y;
  const places = sizes.map((size) => {
    const place = { ...size, x: isBeside ? at : x, y: isBeside ? y : at };
    at += isBeside ? size.width + PADDING : size.height + PADDING + TITLE;
    return place;
  });
  const right = places.reduce((most, place) => Math.max(most, place.x + place.width), 0);
  const bottom = places.reduce((most, place) => Math.max(most, place.y + place.height), 0);
  return { places, width: right + PADDING, height: bottom + TITLE + PADDING };
}

interface BoxText {
  title: string;
  size: string;
  shape: string;
  follows: string;
}

function linesOf(first: DrawnLayer, rest: readonly DrawnLayer[], small: string): BoxText {
  const short = ({ alias, graph }: DrawnLayer): string => alias.slice(graph.length);
  const last = rest.at(-1) ?? first;
  const kind = first.kind.toUpperCase() === first.type ? '' : ` ${first.type.toLowerCase()}`;
  return {
    title: shorten(`${short(first)}${kind}`, 30),
    size: first.size,
    shape: shorten(last.shape, 34),
    follows: shorten([small, ...rest.map(short)].filter(Boolean).join(' · '), 40),
  };
}

/** Boxes for the inputs and outputs of a graph. */
function withEnds(boxes: Box[]): Box[] {
  const ends = (names: readonly string[]): Map<string, Box> =>
    new Map([...new Set(names)].map((name) => [name, newBoxOfEnd(name)]));
  const inputs = ends(boxes.flatMap(({ layers }) => layers.flatMap((layer) => layer.inputs)));
  const outputs = ends(boxes.flatMap(({ layers }) => layers.flatMap((layer) => layer.outputs)));
  const shift = inputs.size;
  const outputAt = new Map([...outputs.keys()].map((name, i) => [name, shift + boxes.length + i]));
  boxes.forEach((box, i) => {
    box.to = new Set([...box.to].map((to) => to + shift));
    for (const layer of box.layers) {
      for (const name of layer.inputs) inputs.get(name)?.to.add(shift + i);
      for (const name of layer.outputs) box.to.add(outputAt.get(name) as number);
    }
  });
  return [...inputs.values(), ...boxes, ...outputs.values()];
}

const NO_LAYERS = { layers: [], bodies: [], small: '', folded: null, folds: null };

function newBoxOfEnd(name: string): Box {
  const end = shorten(name, 30);
  const width = Math.round(Math.max(64, textWidth(end, 11) + 26));
  const to = new Set<number>();
  return { ...NO_LAYERS, end, width, height: 24, to };
}

/** Module of a layer at a depth: 'encoder.layer.3'. */
function moduleOf({ name, graph }: DrawnLayer, depth: number): string {
  return name.slice(graph.length).split(/[./]/).slice(0, depth).join('.');
}

/** Puts neighbours of one module together until few enough are left; then any neighbours. */
function foldBoxes(boxes: Box[], { boxesMax, open }: Detail): Box[] {
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

/** Class of the colour of a kind. */
function lookOf(kind: string): string {
  if (kind === 'conv' || kind === 'deconv') return 'conv';
  if (['full', 'pool', 'norm'].includes(kind)) return kind;
  if (kind === 'act' || kind === 'dropout') return 'act';
  return ['attn', 'rnn', 'embed'].includes(kind) ? 'attn' : 'other';
}

class Painter {
  #next = 0;
  hidden = 0;

  graph({ boxes, layout }: DrawnGraph): Markup {
    this.hidden += layout.hidden;
    const first = this.#next;
    this.#next += boxes.length;
    const edges = layout.edges.map(
      ({ from, to, path }) =>
        html`<path class="edge" d="${path}" data-a="${first + from}" data-b="${first + to}"/>`,
    );
    const drawn = boxes.map((box, i) => {
      const { x, y } = layout.places[i] as { x: number; y: number };
      const alias = box.layers[0]?.alias ?? '';
      return html`<g data-n="${first + i}" data-alias="${alias}" data-folds="${box.folds ?? ''}" class="${statusOf(box)}" transform="translate(${x} ${y})">${this.#box(box)}</g>`;
    });
    return html`${edges}
${drawn}`;
  }

  #box(box: Box): Markup {
    const { width, height, end, folded, layers } = box;
    if (end !== null) {
      return html`<rect class="box k-io" width="${width}" height="${height}" rx="12"/><text text-anchor="middle" x="${width / 2}" y="16">${end}</text>`;
    }
    const [first, ...rest] = layers as [DrawnLayer, ...DrawnLayer[]];
    if (box.bodies.length > 0) return this.#frame(box, first);
    const sign = SIGNS[first.status ?? 'equal'];
    const mark =
      sign === ''
        ? null
        : html`<text class="sign" x="${width - 10}" y="${height - 7}" text-anchor="end">${sign}</text>`;
    if (folded !== null) {
      return html`<title>${layers
        .map(({ alias }) => alias)
        .slice(0, 40)
        .join(
          ', ',
        )}</title><rect class="box k-other" width="${width}" height="${height}" rx="5"/><text class="strong" x="9" y="15">${folded}</text><text class="sub" x="9" y="28">${layers.length} layers</text>${foldMark(box)}${mark}`;
    }
    const texts = linesOf(first, rest, box.small);
    const follows =
      texts.follows === '' ? null : html`<text class="sub" x="9" y="42">${texts.follows}</text>`;
    const about = [first, ...rest].map((layer) => layer.about).join(' — ');
    return html`<title>${about}</title><rect class="box k-${lookOf(first.kind)}" width="${width}" height="${height}" rx="5"/><text class="strong" x="9" y="15">${texts.title}</text><text class="sub" x="${width - 9}" y="15" text-anchor="end">${texts.size}</text><text class="sub" x="9" y="28">${texts.shape}</text>${follows}${foldMark(box)}${mark}`;
  }

  #frame({ width, height, bodies, layers }: Box, first: DrawnLayer): Markup {
    const { places } = placeBodies(bodies);
    const drawn = bodies.map(({ name, drawn: body }, i) => {
      const { x, y, width: w, height: h } = places[i] as (typeof places)[number];
      return html`<g transform="translate(${x} ${y})"><text class="sub" x="4" y="12">${name}</text><rect class="frame" x="0" y="18" width="${w}" height="${h}" rx="6"/><g transform="translate(${PADDING} ${PADDING + 18})">${this.graph(body)}</g></g>`;
    });
    const title = [first, ...layers.slice(1)].map(({ alias }) => alias).join(' · ');
    return html`<rect class="frame" width="${width}" height="${height}" rx="8"/><text class="strong" x="10" y="17">${shorten(title, 60)} <tspan class="sub">${first.type.toLowerCase()} ${first.shape}</tspan></text><rect class="fold" width="${width}" height="${TITLE}"/>${drawn}`;
  }
}

/** Shown where a page folds and unfolds. */
function foldMark({ folds, width }: Box): Markup | null {
  return folds === 'open'
    ? html`<text class="plus" x="${width - 9}" y="28" text-anchor="end">+</text>`
    : null;
}

function statusOf({ layers }: Box): string {
  const statuses = new Set(layers.map(({ status = 'equal' }) => status));
  statuses.delete('equal');
  const [only] = statuses;
  if (only === undefined) return '';
  return `d-${statuses.size === 1 && layers.every(({ status }) => status === only) ? only : 'changed'}`;
}
