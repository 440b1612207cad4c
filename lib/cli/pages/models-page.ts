/** The page of `dlv list --html`: the models of a repository and what they take. */
import { html, type Markup } from '../../pure/picture/markup.js';
import { barPlot, legend } from '../../pure/picture/plot.js';
import type { ListedModel } from '../../use/ops/list.js';
import { formatMetric, shortId, subject } from '../output/render.js';
import { formatBytes, formatCount, formatShare } from '../output/ui.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import {
  figureOf,
  figures,
  type Section,
  type TableCell,
  type TableColumn,
  tableOf,
} from './parts.js';
import { momentText, refMarks } from './versions.js';

const BARS_MAX = 24;

/** The models of a repository and what they take. */
export function modelsPage(models: readonly ListedModel[], origin: PageOrigin): string {
  const sum = (of: (model: ListedModel) => number): number =>
    models.reduce((total, model) => total + of(model), 0);
  return pageOf({
    title: `Models of ${origin.repository ?? 'the repository'}`,
    lead: html`<p class="dim">${formatCount(models.length, 'model')}, ${formatCount(
      sum(({ versions }) => versions),
      'version',
    )}</p>`,
    sections: [
      { id: 'models', title: 'Models', body: modelTable(models) },
      storageSection(models),
      latestSection(models),
    ],
    notes: [
      'Stored: all stored data that a model needs, also what it shares with others; its own: what no other model needs.',
    ],
    origin,
  });
}

function modelTable(models: readonly ListedModel[]): Markup {
  const columns: TableColumn[] = [
    { title: 'model', kind: 'plain' },
    { title: 'versions', kind: 'number' },
    { title: 'branches' },
    { title: 'derived from' },
    { title: 'files', kind: 'number' },
    { title: 'stored', kind: 'number' },
    { title: 'share', kind: 'number' },
    { title: 'its own', kind: 'number' },
    { title: 'last version' },
  ];
  const rows = models.map((model): TableCell[] => {
    const [latest] = model.latest;
    return [
      html`<b>${model.model}</b>${model.current ? html`<span class="ref head">HEAD</span>` : null}`,
      model.versions,
      model.branches.map(({ branch }) => branch).join(', '),
      model.lineage.map(({ name }) => name).join(', '),
      { shown: formatBytes(model.logicalBytes), sort: model.logicalBytes },
      { shown: formatBytes(model.storedBytes), sort: model.storedBytes },
      {
        shown: formatShare(model.storedBytes, model.logicalBytes),
        sort: model.logicalBytes > 0 ? model.storedBytes / model.logicalBytes : null,
      },
      { shown: formatBytes(model.uniqueBytes), sort: model.uniqueBytes },
      latest === undefined ? '' : `${latest.name}: ${subject(latest.message)}`,
    ];
  });
  return tableOf({
    caption: 'Models, their files, and what they take in the repository',
    columns,
    rows,
  });
}

export function storageSection(models: readonly ListedModel[]): Section | null {
  const large = [...models].sort((a, b) => b.storedBytes - a.storedBytes).slice(0, BARS_MAX);
  if (large.length === 0 || (large[0]?.storedBytes ?? 0) === 0) return null;
  const bars = large.map(({ model, storedBytes, uniqueBytes }) => ({
    name: model.length > 12 ? `${model.slice(0, 11)}…` : model,
    parts: [uniqueBytes, Math.max(0, storedBytes - uniqueBytes)],
  }));
  const names = ['its own', 'shared with other models'];
  const plot = barPlot(bars, names, {
    title: `stored bytes of ${formatCount(bars.length, 'model')}`,
    xLabel: 'model',
    yLabel: '',
    yFormat: formatBytes,
    yScale: 'bytes',
  });
  const key = legend(names.map((name) => ({ name, kind: 'points' as const })));
  return { id: 'storage', title: 'Storage', body: figures([figureOf('Bytes stored', plot, key)]) };
}

function latestSection(models: readonly ListedModel[]): Section | null {
  const rows = models.flatMap((model) =>
    model.latest.map((version): TableCell[] => [
      html`<b>${version.name}</b>${refMarks(version.refs)}`,
      html`<code>${shortId(version.version)}</code>`,
      subject(version.message),
      momentText(version.time),
      version.author.replace(/\s*<.*>$/s, ''),
      Object.entries(version.metrics)
        .map(([name, value]) => `${name} ${formatMetric(value)}`)
        .join(', '),
    ]),
  );
  if (rows.length === 0) return null;
  const columns: TableColumn[] = [
    { title: 'version', kind: 'plain' },
    { title: 'id', kind: 'plain' },
    { title: 'message' },
    { title: 'date', kind: 'plain' },
    { title: 'author' },
    { title: 'metrics' },
  ];
  return {
    id: 'versions',
    title: 'Last versions',
    body: tableOf({ caption: 'The last versions of each model', columns, rows }),
  };
}
