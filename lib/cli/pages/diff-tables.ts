import { html, type Markup } from '../../pure/picture/markup.js';
import type { PairDiff, SnapshotDiff, TextDiff } from '../../use/ops/diff.js';
import { changedText, cosineText, percent, rankText, within } from '../output/tensor-numbers.js';
import { formatBytes, formatCount, formatNumber } from '../output/ui.js';
import { namedTensor, type Section, type TableCell, tableOf } from './parts.js';

const TENSORS_MAX = 400;
const HUNK_LINES_MAX = 400;

/** The files that differ; null if none does. */
export function filesOf([pair]: readonly PairDiff[]): Section | null {
  if (pair === undefined || pair.files.length === 0) return null;
  const bytes = (value: number | null | undefined): TableCell =>
    value === null || value === undefined
      ? { shown: null, sort: null }
      : { shown: formatBytes(value), sort: value };
  const looks = {
    added: 'added',
    removed: 'removed',
    modified: 'changed',
    renamed: 'changed',
  } as const;
  const body = tableOf({
    caption: 'Files that differ',
    columns: [
      { title: 'file' },
      { title: '', spoken: 'change', kind: 'plain' },
      { title: 'before', kind: 'number' },
      { title: 'after', kind: 'number' },
    ],
    rows: pair.files.map((file) => [
      file.path,
      { shown: file.status, look: looks[file.status] },
      bytes(file.bytesBefore),
      bytes(file.bytesAfter),
    ]),
  });
  return { id: 'files', title: 'Files', body };
}

/** A table of the tensors of each checkpoint. @param at  of the pair, from 0. */
export function tensorSections(pair: PairDiff, at: number, isOneOfMany: boolean): Section[] {
  return pair.snapshots.flatMap((snapshot, i) => {
    if (snapshot.tensors.length === 0) return [];
    const who = isOneOfMany ? ` in ${pair.after.label}` : '';
    const title = `Tensors of ${snapshot.keyAfter ?? snapshot.keyBefore ?? ''}${who}`;
    return [{ id: `tensors-${at + 1}-${i + 1}`, title, body: tensorTable(snapshot) }];
  });
}

function tensorTable({ tensors, added, removed, changed, equal }: SnapshotDiff): Markup {
  const shown = tensors.slice(0, TENSORS_MAX);
  const counts = Object.entries({ changed, equal, added, removed })
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${formatNumber(count)} ${name}`);
  const rows = shown.map(({ name, status, before, after, numbers }): TableCell[] => {
    const side = after ?? before;
    const look = status === 'equal' ? {} : { look: status };
    const num = (value: number | string | null, text: string): TableCell => ({
      shown: text,
      sort: typeof value === 'number' ? value : null,
    });
    return [
      { shown: namedTensor(name), ...look },
      status,
      side?.dtype ?? '',
      side === null ? '' : `[${side.shape.join(', ')}]`,
      ...(numbers === null
        ? ['', '', '', '', '', '']
        : [
            num(numbers.changed, changedText(numbers)),
            num(
              numbers.maxAbs,
              numbers.maxAbs === null ? '–' : within(numbers.maxAbs, numbers.bound?.maxAbs ?? 0),
            ),
            num(
              numbers.relativeL2,
              numbers.relativeL2 === null
                ? '–'
                : within(numbers.relativeL2, numbers.bound?.relativeL2 ?? 0),
            ),
            num(numbers.cosine, cosineText(numbers.cosine, numbers.bound?.cosine ?? 0)),
            num(numbers.signFlips, numbers.signFlips === null ? '–' : percent(numbers.signFlips)),
            num(numbers.rank?.effective ?? null, rankText(numbers)),
          ]),
    ];
  });
  const left = tensors.length - shown.length;
  const number = (title: string) => ({ title, kind: 'number' as const });
  return html`${tableOf({
    caption: counts.join(', '),
    columns: [
      { title: 'tensor' },
      { title: '', spoken: 'change', kind: 'plain' },
      { title: 'dtype', kind: 'plain' },
      { title: 'shape', kind: 'plain' },
      ...['changed', 'max |Δ|', 'rel. L2', 'cosine', 'signs turned', 'rank of change'].map(number),
    ],
    rows,
  })}${left > 0 ? html`<p class="note">${formatCount(left, 'more tensor')} are left out.</p>` : null}`;
}

/** Lines that texts lost and got. */
export function textSections(pair: PairDiff, at: number, isOneOfMany: boolean): Section[] {
  return pair.texts.map((text, i) => ({
    id: `text-${at + 1}-${i + 1}`,
    title: `${text.path}${isOneOfMany ? ` in ${pair.after.label}` : ''}`,
    body: hunks(text),
  }));
}

function hunks({ added, removed, hunks: all, omitted, reformatted }: TextDiff): Markup {
  let room = HUNK_LINES_MAX;
  let left = omitted;
  const shown = all.flatMap(({ before, after, lines }) => {
    const own = lines.slice(0, Math.max(0, room));
    room -= own.length;
    left += lines.length - own.length;
    if (own.length === 0) return [];
    const rows = own.map((line) => {
      const look = line.startsWith('+') ? 'up' : line.startsWith('-') ? 'down' : '';
      return html`<span class="${look}">${line}</span>\n`;
    });
    return [
      html`<pre><span class="dim">@@ line ${before} \u2192 ${after} @@</span>\n${rows}</pre>`,
    ];
  });
  return html`<p class="note">+${added} \u2212${removed}${reformatted ? ', JSON with line breaks' : ''}</p>${shown}${left > 0 ? html`<p class="note">${formatCount(left, 'more line')} are left out.</p>` : null}`;
}
