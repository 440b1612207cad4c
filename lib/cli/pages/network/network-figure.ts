/** A network as a picture: its layers as boxes, activations in the box before them, branches in frames. */
import { html, type Markup } from '../../../pure/picture/markup.js';
import { shorten } from '../../output/table.js';
import type { Box, DrawnGraph, DrawnLayer, Folding } from './box.js';
import { layOut, linesOf, PADDING, placeBodies, TITLE } from './boxes.js';

const SIGNS = { added: '+', removed: '−', changed: '~', equal: '' } as const;
/** Boxes of one graph; above this, neighbours in one module become one box. */
const BOXES_MAX = 420;
const NONE: ReadonlySet<string> = new Set();

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
