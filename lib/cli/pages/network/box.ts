/** A box of a picture of a network: one layer or several, and what its text takes. */
import type { LayeredGraph } from '../../../pure/picture/layered.js';

/** The boxes of a graph and where they are. */
export interface DrawnGraph {
  boxes: Box[];
  layout: LayeredGraph;
}

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

/** Several layers that are one box. */
export interface Box {
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

/** What is folded of a picture. Boxes are named by the alias of their first layer. */
export interface Folding {
  /** Boxes of one graph: above this, neighbours in one module become one. */
  boxesMax?: number;
  /** Of boxes that stand for many layers, those that are drawn as these layers all the same. */
  open?: ReadonlySet<string>;
  /** Layers whose graphs are told in words. */
  shut?: ReadonlySet<string>;
}

/** How deep a graph lies, and what is folded in it. */
export interface Detail extends Required<Folding> {
  depth: number;
}

/** Width of text of 12 pixels: bold is wider. */
export function textWidth(text: string, size = 12): number {
  return [...text].length * size * 0.58;
}

export const NO_LAYERS = { layers: [], bodies: [], small: '', folded: null, folds: null };
