/** Networks of several versions as one drawing: layers from the inputs down, marked by what differs. */
import type { ComparedNetwork, Comparison, KindCounts, MergedLayer } from '../../use/ops/diff.js';
import { significant } from '../output/tensor-numbers.js';
import { formatCount, formatNumber, type Ui } from '../output/ui.js';
import { besideGraph, drawGraph } from '../output/versions/graph.js';
import type { Section } from './sections.js';
import type { Shown } from './values.js';

/** What a layer of a version is against the baseline's. */
export type Mark = '+' | '-' | '~' | '·' | '=' | ' ';

/** The mark of a layer in one version. ' ': neither of both has it. */
export function markOf({ cells }: MergedLayer, at: number, baseline: number): Mark {
  const [base, own] = [cells[baseline] ?? null, cells[at] ?? null];
  if (own === null) return base === null ? ' ' : '-';
  if (base === null) return '+';
  if (own.changes.length > 0) return '~';
  return (own.drift ?? 0) > 0 ? '·' : '=';
}

/** True if a version has another layer there than the baseline, weights apart. */
export function isStructural(mark: Mark): boolean {
  return mark === '+' || mark === '-' || mark === '~';
}

/** Layers that are drawn: of longer networks those that differ, with what stands beside them. */
const LAYERS_MAX = 48;
/** Layers around one that differs that are drawn. */
const AROUND = 1;
/** Layers in a row that are drawn as one. */
const FOLDED_MIN = 3;
/** A drawing with more columns is no help. */
const COLUMNS_MAX = 24;

interface Box {
  layers: number[];
}

/** Boxes of one layer each, but for runs of at least `least` that are not kept. */
function boxesOf(
  layers: readonly MergedLayer[],
  isKept: (at: number) => boolean,
  least: number,
): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at < layers.length; ) {
    let to = at;
    while (to < layers.length && !isKept(to)) to++;
    if (to - at >= least) boxes.push({ layers: range(at, to) });
    else for (let one = at; one < to; one++) boxes.push({ layers: [one] });
    if (to < layers.length) boxes.push({ layers: [to] });
    at = to + 1;
  }
  return boxes;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** The lines of one network. `all` draws every layer; `top` so many of those that differ, and says what is left. */
export function graphLines(
  ui: Ui,
  network: ComparedNetwork,
  { ends, baseline }: Comparison,
  { all, top }: Shown,
): string[] {
  const { layers, edges } = network;
  const others = [...ends.keys()].filter((at) => at !== baseline && network.paths[at] !== null);
  const marks = layers.map((layer) => others.map((at) => markOf(layer, at, baseline)));
  const differs = marks.map((own) => own.some(isStructural));
  const isShort = all || layers.length <= LAYERS_MAX;
  const boxes =
    top === null
      ? boxesOf(
          layers,
          (at) => isShort || range(at - AROUND, at + AROUND + 1).some((near) => differs[near]),
          FOLDED_MIN,
        )
      : boxesOf(layers, keptOf(differs, top), 1);
  const boxOf = new Map(boxes.flatMap(({ layers: own }, i) => own.map((at) => [at, i])));
  const next: Set<number>[] = boxes.map(() => new Set());
  for (const { from, to } of edges) {
    const [a, b] = [boxOf.get(from) as number, boxOf.get(to) as number];
    if (a < b) next[a]?.add(b);
  }
  const rows = drawGraph(
    boxes.map((_, i) => ({
      id: String(i),
      parents: [...(next[i] ?? [])].sort((a, b) => a - b).map(String),
    })),
  );
  const isWide = rows.some((row) => row.rest.length > COLUMNS_MAX);
  const texts = boxes.map(({ layers: own }) =>
    own.length === 1 && (top === null || keptOf(differs, top)(own[0] as number))
      ? layerText(ui, layers[own[0] as number] as MergedLayer, marks[own[0] as number] ?? [], {
          others,
          baseline,
        })
      : [`${' '.repeat(others.length)} … ${foldedText(own, differs)}`],
  );
  const lines =
    network.isGraph && !isWide
      ? rows.flatMap((row, i) => besideGraph(row, texts[i] ?? []))
      : texts.flat();
  return lines.map((line) => `  ${line}`);
}

/** The first `top` layers that differ, or where none does the first ones. */
function keptOf(differs: readonly boolean[], top: number): (at: number) => boolean {
  const places = [...differs.keys()];
  const wanted = differs.includes(true) ? places.filter((at) => differs[at]) : places;
  const kept = new Set(wanted.slice(0, top));
  return (at) => kept.has(at);
}

/** `12 layers that are the same`, `12 more layers, 3 of which differ`. */
function foldedText(layers: readonly number[], differs: readonly boolean[]): string {
  const odd = layers.filter((at) => differs[at]).length;
  if (odd > 0) {
    const more = formatCount(layers.length, 'more layer');
    return odd === layers.length
      ? `${more} that differ`
      : `${more}, ${formatNumber(odd)} of which differ`;
  }
  return layers.length === 1
    ? '1 layer that is the same'
    : `${formatNumber(layers.length)} layers that are the same`;
}

function layerText(
  ui: Ui,
  layer: MergedLayer,
  marks: readonly Mark[],
  { others, baseline }: { others: readonly number[]; baseline: number },
): string[] {
  const { green, red, yellow, dim } = ui.style;
  const styles = { '+': green, '-': red, '~': yellow, '·': dim, '=': dim, ' ': dim };
  const { alias, name, kind, type, cells } = layer;
  const own = cells[baseline] ?? cells.find((cell) => cell !== null);
  const shape = own?.shape ? ` [${own.shape.join(', ')}]` : '';
  const typed = kind === type.toLowerCase() ? kind : `${kind} ${type}`;
  const called = name === alias ? alias : `${alias} ${dim(`(${name})`)}`;
  const drifts = others.map((at) => cells[at]?.drift ?? null);
  const moved = drifts.some((drift) => (drift ?? 0) > 0)
    ? `  Δ ${drifts.map((drift) => (drift === null ? '–' : significant(drift))).join(' ')}`
    : '';
  const head = marks.map((mark) => styles[mark](mark)).join('');
  const lines = [`${head} ${called}  ${dim(typed)}${shape}${moved}`];
  for (const [i, at] of others.entries()) {
    const cell = cells[at];
    if (marks[i] !== '~' || !cell) continue;
    const changes = cell.changes.map(({ what, before, after }) => `${what} ${before} → ${after}`);
    const by = cell.match === 'name' || cell.match === null ? '' : ` (found by ${cell.match})`;
    lines.push(`${' '.repeat(others.length)}   ${yellow(changes.join('; '))}${by}`);
  }
  return lines;
}

/** Counts of layers by kind, where some differ. */
export function kindSection(
  network: ComparedNetwork,
  { ends, baseline }: Comparison,
): Section | null {
  const others = [...ends.keys()].filter((at) => at !== baseline && network.paths[at] !== null);
  const isOdd = (counts: KindCounts | null | undefined): boolean =>
    counts != null && counts.added + counts.removed + counts.changed > 0;
  const rows = network.kinds.filter(({ cells }) => others.some((at) => isOdd(cells[at])));
  if (rows.length === 0) return null;
  return {
    title: 'Layers by kind',
    columns: [{ title: 'kind' }, ...others.map((at) => ({ title: ends[at]?.label ?? '' }))],
    rows: rows.map(({ kind, cells }) => ({
      cells: [kind, ...others.map((at) => countsText(cells[at] ?? null))],
    })),
    notes: [],
  };
}

function countsText(counts: KindCounts | null): string {
  if (counts === null) return '';
  const parts = (['added', 'removed', 'changed', 'equal'] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name]} ${name}`);
  return parts.join(', ');
}

/** `Network of net.onnx: 14 layers, 1,432,746 parameters → 15 layers, …`. */
export function networkTitle(network: ComparedNetwork, { ends, baseline }: Comparison): string {
  const path = network.paths[baseline] ?? network.paths.find((one) => one !== null) ?? '';
  const totals = network.totals.map((total) => {
    if (total === null) return 'none';
    const { layers, parameters, macs } = total;
    const work = macs === 0 ? '' : `, ${typeof macs === 'number' ? formatNumber(macs) : macs} MACs`;
    return `${formatCount(layers, 'layer')}, ${formatNumber(parameters)} parameters${work}`;
  });
  const said =
    new Set(totals).size === 1
      ? (totals[0] ?? '')
      : totals.map((total, at) => `${ends[at]?.label}: ${total}`).join('; ');
  return `${network.isGraph ? 'Network of' : 'Layers by the names of tensors in'} ${path}: ${said}`;
}

/** What the marks mean, for a drawing that has them. */
export const LEGEND =
  '+ added, - removed, ~ changed, · other weights, = the same; Δ is ‖b − a‖ / ‖a‖';
