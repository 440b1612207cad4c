/** The page of `dlv bench --html`: one file with tables and plots, nothing loaded from anywhere. */
import type { BenchResult } from '../../../use/ops/bench.js';
import { formatBytes } from '../ui.js';
import {
  type BenchTable,
  benchTables,
  costFormat,
  digits,
  machineLine,
  noiseLine,
  snapshotName,
} from './bench-tables.js';
import { barPlot, COLOURS, escapeXml, linePlot, type Series } from './svg-plot.js';

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2024; --dim: #5c6670; --rule: #d9dee3; --page: #fff;
  --c0: #2563b0; --c1: #c2571a; --c2: #2f7d4f; --c3: #8a3fa0; --c4: #a8323e; --c5: #4d5b66;
  --c6: #9a7b12; --c7: #187f8a; --c8: #b0478f; --c9: #5a6ad0; --c10: #6b8e23; --c11: #7a5230; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --dim: #9aa4ad; --rule: #3a434b;
  --page: #15191c; --c0: #74a9ef; --c1: #f0955a; --c2: #6fc08e; --c3: #c78bd8; --c4: #ec7e88;
  --c5: #a9b4bd; --c6: #d8bb55; --c7: #5cc3ce; --c8: #e08cc5; --c9: #9aa6f5; --c10: #a9c763;
  --c11: #c79b74; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
p { color: var(--dim); margin: .3rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-top: .7rem; }
th, td { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--rule); text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; max-width: 720px; height: auto; display: block; margin: 1rem 0; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .title { font-weight: 600; font-size: 14px; } svg .tick { fill: var(--dim); }
svg .small { font-size: 9px; } svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .line { fill: none; stroke-width: 2; } svg .dashed { stroke-dasharray: 6 4; }
${Array.from({ length: COLOURS }, (_, i) => `.line.c${i} { stroke: var(--c${i}); } .fill.c${i} { fill: var(--c${i}); }`).join('\n')}
`;

/** The whole page. */
export function benchPage(result: BenchResult): string {
  const plots = [planPlot(result), planePlot(result), depthPlot(result)];
  const body = [
    '<h1>dlv bench</h1>',
    `<p>${escapeXml(machineLine(result))}</p>`,
    `<p>${escapeXml(noiseLine(result))}</p>`,
    ...plots.filter((plot) => plot !== null),
    ...benchTables(result).map(tableHtml),
  ];
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>dlv bench</title>' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<style>${STYLE}</style></head><body>\n${body.join('\n')}\n</body></html>\n`
  );
}

function tableHtml({ title, notes, head, rows }: BenchTable): string {
  const cells = (tag: string, row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return (
    `<h2>${escapeXml(title)}</h2>${notes.map((note) => `<p>${escapeXml(note)}</p>`).join('')}` +
    `<div class="wide"><table><thead>${cells('th', head)}</thead>` +
    `<tbody>${rows.map((row) => cells('td', row)).join('\n')}</tbody></table></div>`
  );
}

/** Storage against recreation, a line for each planner, and the bound below them. */
function planPlot({ plans }: BenchResult): string | null {
  if (plans === null || plans.points.length === 0) return null;
  const { points, bounds, now } = plans;
  const title = (planner: string, budget: number | null): string =>
    budget === null ? planner : `${planner}, budget × ${budget}`;
  const byPlanner = new Map<string, Series['points'][0][]>();
  for (const { planner, budget, storage, recreation } of points) {
    const own = byPlanner.get(planner) ?? [];
    own.push({ x: recreation, y: storage, title: title(planner, budget) });
    byPlanner.set(planner, own);
  }
  // What a plan of least storage would cost to recreate is not known: auto's is the nearest there is.
  const bound = bounds.flatMap(({ budget, storage: y }) => {
    const auto = points.find((p) => p.planner === 'auto' && p.budget === budget);
    return auto === undefined ? [] : [{ x: auto.recreation, y }];
  });
  const order = ['auto', ...[...byPlanner.keys()].filter((name) => name !== 'auto')];
  const series: Series[] = order.map((name) => ({
    name,
    points: [...(byPlanner.get(name) ?? [])].sort((a, b) => a.x - b.x),
  }));
  if (now !== null) {
    const { storage: y, recreation: x } = now;
    series.push({ name: 'now', kind: 'points', points: [{ x, y, title: 'as stored now' }] });
  }
  series.push({ name: 'lower bound', kind: 'dashed', points: bound });
  return linePlot(series, {
    title: 'Storage against recreation',
    xLabel: `${plans.unit === 'bytes' ? 'bytes read' : 'predicted time'} to recreate every snapshot`,
    yLabel: 'bytes stored',
    xFormat: costFormat(plans),
    yFormat: formatBytes,
    xIsBytes: plans.unit === 'bytes',
    yIsBytes: true,
    yFromZero: false,
  });
}

/** Bytes of each class of planes by encoding. */
function planePlot({ storage }: BenchResult): string | null {
  if (storage === null) return null;
  const bars = storage.rows.flatMap(({ codec, classes }) =>
    classes === null
      ? []
      : [
          {
            name: codec.replace('dlv ', '').replace('delta ', 'Δ ').replace(' by plane', ''),
            parts: [classes.hi, classes.mid, classes.low],
          },
        ],
  );
  return barPlot(bars, ['first two planes', 'next', 'the rest'], {
    title: 'Bytes by planes',
    xLabel: 'encoding (Δ: as a delta)',
    yLabel: 'bytes',
    yFormat: formatBytes,
    yIsBytes: true,
  });
}

/** Time of each snapshot against how deep its chains are. */
function depthPlot({ recovery, snapshots }: BenchResult): string | null {
  if (recovery === null) return null;
  const lines = new Map<string, Series['points'][0][]>();
  for (const { snapshot, planes, scheme, cache, ms } of recovery.rows) {
    const of = snapshot === null ? undefined : snapshots[snapshot];
    if (of === undefined || cache === 'cold') continue;
    const name = `${planes === null ? 'all' : planes} planes, ${scheme}`;
    const own = lines.get(name) ?? [];
    const title = `${snapshotName(of)}: ${digits(ms.median)} ms`;
    own.push({ x: of.meanDepth, y: ms.median, title });
    lines.set(name, own);
  }
  // Points, not lines: what lies between two snapshots was not measured, and times waver.
  const series = [...lines].map(([name, points]): Series => ({ name, kind: 'points', points }));
  return linePlot(series, {
    title: 'Time against depth of chains (warm)',
    xLabel: 'deltas below a tensor, mean by bytes',
    yLabel: 'ms',
    xFromZero: true,
  });
}
