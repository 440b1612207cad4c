/** What pages are made of: sections, facts, tables, figures. */
import { plainTensorName } from '../../pure/network/layers/names.js';
import { type Content, html, type Markup } from '../../pure/picture/markup.js';

export interface Section {
  id: string;
  title: string;
  body: Content;
}

/** One fact: what it is, its value, and more about it. */
export type Fact = readonly [name: string, value: Content, more?: Content];

/** Facts side by side; those without a value are left out. */
export function factList(facts: readonly (Fact | null)[]): Markup {
  const shown = facts.filter((fact) => fact !== null);
  return html`<dl class="facts">${shown.map(
    ([name, value, more]) =>
      html`<div><dt>${name}</dt><dd>${value}${more ? html` <small>${more}</small>` : null}</dd></div>`,
  )}</dl>`;
}

/** A column; `kind`: text, numbers (right), or a bar of the cell's share. */
export interface TableColumn {
  title: string;
  /** What a column without a title is called where it is read aloud. */
  spoken?: string;
  kind?: 'text' | 'number' | 'plain';
}

/** A cell: what is shown, what it is sorted by, and a class for what is special about it. */
export type TableCell =
  | Content
  | {
      shown: Content;
      sort?: number | null;
      look?: 'best' | 'added' | 'removed' | 'changed' | 'barcell';
    };

/** A tensor or layer as people read its name; the whole name shows while the pointer rests on it. */
export function namedTensor(name: string): Content {
  const plain = plainTensorName(name);
  return plain === name ? name : html`<span title="${name}">${plain}</span>`;
}

export interface TableOptions {
  caption: string;
  columns: readonly TableColumn[];
  rows: readonly (readonly TableCell[])[];
  /** Class of each row. */
  rowClass?: (i: number) => string;
}

/** A table, in a box of its own that scrolls. */
export function tableOf({ caption, columns, rows, rowClass }: TableOptions): Markup {
  const heads = columns.map(
    ({ title, spoken, kind }) =>
      html`<th scope="col" class="${kind === 'number' ? 'n' : ''}">${spoken === undefined ? title : html`<span class="spoken">${spoken}</span>`}</th>`,
  );
  const body = rows.map((row, i) => {
    const cells = columns.map((column, at) => cellOf(row[at], column));
    return html`
<tr class="${rowClass?.(i) ?? ''}">${cells}</tr>`;
  });
  return html`<div class="wide" tabindex="0" role="group" aria-label="${caption}"><table data-sorts="1"><caption>${caption}</caption><thead><tr>${heads}</tr></thead><tbody>${body}
</tbody></table></div>`;
}

function cellOf(cell: TableCell, { kind = 'text' }: TableColumn): Markup {
  const base = kind === 'number' ? 'n' : kind === 'text' ? 't' : 'nowrap';
  if (isRich(cell)) {
    const classes = `${base} ${cell.look ?? ''}`.trim();
    const { sort } = cell;
    if (sort === undefined) return html`<td class="${classes}">${cell.shown}</td>`;
    const value = sort === null || !Number.isFinite(sort) ? '' : sort;
    return html`<td class="${classes}" data-v="${value}">${cell.shown}</td>`;
  }
  if (typeof cell === 'number') return html`<td class="${base}" data-v="${cell}">${cell}</td>`;
  return html`<td class="${base}">${cell}</td>`;
}

function isRich(cell: TableCell): cell is Exclude<TableCell, Content> {
  return typeof cell === 'object' && cell !== null && 'shown' in cell;
}

/** A bar whose length is a share of the longest. */
export function barCell(value: number, most: number, title: string): TableCell {
  const width = most > 0 ? Math.max(0, Math.min(100, (100 * value) / most)) : 0;
  const shown = html`<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="${title}"><rect class="bar" x="0" y="0" width="${Number(width.toFixed(2))}" height="10"/></svg>`;
  return { shown, sort: value, look: 'barcell' };
}

/** A picture with its name. */
export function figureOf(name: Content, picture: Content, more: Content = null): Markup {
  return html`<figure><figcaption>${name}</figcaption>${picture}${more}</figure>`;
}

/** Figures side by side where there is room. */
export function figures(list: readonly Content[]): Markup {
  return html`<div class="plots${list.length === 1 ? ' one' : ''}">${list}</div>`;
}

/** Tables side by side where there is much room. */
export function largeFigures(list: readonly Content[]): Markup {
  return html`<div class="plots large">${list}</div>`;
}

/** A text of several lines, as it is. */
export function textBlock(text: string): Markup {
  const rows = text.trimEnd().split('\n');
  return html`<pre>${rows.map((row) => html`${row}\n`)}</pre>`;
}
