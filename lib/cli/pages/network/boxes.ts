/** The boxes of a picture of a network: which layers are one box, what is folded, how large each is. */
import { layLayers } from '../../../pure/picture/layered.js';
import { shorten } from '../../output/table.js';
import {
  type Box,
  type Detail,
  type DrawnGraph,
  type DrawnLayer,
  NO_LAYERS,
  textWidth,
} from './box.js';
import { foldBoxes } from './fold-boxes.js';

/** Kinds that are drawn in the box of the layer that they follow. */
const FOLLOWING = new Set(['act', 'norm', 'dropout', 'reshape']);
/** Space around a graph, and the height of a title. */
export const PADDING = 12;
export const TITLE = 22;
/** Graphs of one layer that are drawn side by side. */
const BODIES_WIDTH_MAX = 1000;

/** Bodies of bodies that are drawn. */
const DEPTH_MAX = 8;

/** Boxes of the graph at `path`, and of graphs that its layers run, with their places. */
export function layOut(
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
export function placeBodies(bodies: Box['bodies']): {
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

/** What is written in a box. */
export function linesOf(first: DrawnLayer, rest: readonly DrawnLayer[], small: string): BoxText {
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

function newBoxOfEnd(name: string): Box {
  const end = shorten(name, 30);
  const width = Math.round(Math.max(64, textWidth(end, 11) + 26));
  const to = new Set<number>();
  return { ...NO_LAYERS, end, width, height: 24, to };
}
