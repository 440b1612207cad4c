/** `dlv diff` as text, Markdown and CSV. */
import { pushAll } from '../../base/bytes/many.js';
import type { DiffResult, ManyDiffResult, TextDiff } from '../../use/ops/diff.js';
import { type ChangeForm, changeLines } from '../output/changes.js';
import type { Ui } from '../output/ui.js';
import { csvLines } from './csv.js';
import {
  graphLines,
  isStructural,
  kindSection,
  LEGEND,
  markOf,
  networkTitle,
} from './merged-graph.js';
import { type Section, sectionLines, sectionMarkdown } from './sections.js';
import {
  fileSection,
  isMany,
  layerSection,
  metricSection,
  type Shown,
  valueSection,
} from './values.js';

/** Lines of a text that differ and are shown where more than two versions are compared. */
const BRIEF_LINES = 12;

/** How a comparison is shown. */
export interface DiffForm extends Shown {
  form: ChangeForm;
  as: 'text' | 'md' | 'csv';
  /** Draws networks that do not differ as well. */
  graph: boolean;
  /** Lists layers by how far they moved. */
  layers: boolean;
}

/** Prints a comparison. */
export function printDiff(ui: Ui, result: DiffResult | ManyDiffResult, how: DiffForm): void {
  for (const { label, tier } of result.ends) {
    if (tier === null || how.as === 'csv') continue;
    ui.line(ui.style.red(`${label} is kept as ${tier}: its exact values were given up`));
  }
  if (how.as === 'csv') for (const line of csvLines(result, how)) ui.line(line);
  else if (how.as === 'md') for (const line of markdownOf(ui, result, how)) ui.line(line);
  else for (const line of textOf(ui, result, how)) ui.line(line);
  const isOdd = [result.params, result.metrics, result.operation, result.data].some((rows) =>
    rows.some(({ equal }) => !equal),
  );
  if (result.same && !isOdd) ui.note('no differences');
}

function textOf(ui: Ui, result: DiffResult | ManyDiffResult, how: DiffForm): string[] {
  const lines: string[] = [];
  if (!isMany(result)) pushAll(lines, changeLines(ui, how.form, result, how.top));
  else {
    const files = fileSection(result);
    if (files !== null) pushAll(lines, sectionLines(ui, files));
  }
  if (how.form !== 'patch') return lines;
  for (const section of sectionsOf(result, how)) pushAll(lines, sectionLines(ui, section));
  pushAll(lines, networkLines(ui, result, how));
  for (const { label, texts } of textsOf(result)) {
    for (const text of texts) {
      const isBrief = isMany(result) && !how.all && text.added + text.removed > BRIEF_LINES;
      pushAll(lines, hunkLines(ui, isBrief ? { ...text, hunks: [] } : text, label));
    }
  }
  while (lines[0] === '') lines.shift();
  return lines;
}

function sectionsOf(result: DiffResult | ManyDiffResult, how: DiffForm): Section[] {
  const wantsLayers = how.layers || isMany(result);
  return [
    valueSection('Operation', result.operation, result, how),
    valueSection('Hyperparameters', result.params, result, how),
    metricSection(result, how),
    valueSection('Data', result.data, result, how),
    valueSection('Environment', result.environment, result, how),
    wantsLayers ? layerSection(result, result.layers, how) : null,
  ].filter((section) => section !== null);
}

/** Networks whose layers differ, or all that are asked for. */
function networkLines(ui: Ui, result: DiffResult | ManyDiffResult, how: DiffForm): string[] {
  const { ends, baseline } = result;
  return result.networks.flatMap((network) => {
    const others = [...ends.keys()].filter((at) => at !== baseline && network.paths[at] !== null);
    const differs = network.layers.some((layer) =>
      others.some((at) => isStructural(markOf(layer, at, baseline))),
    );
    const isWanted = how.graph && (network.isGraph || isMany(result));
    if ((!differs && !isWanted) || others.length === 0 || network.paths[baseline] === null)
      return [];
    const kinds = kindSection(network, result);
    return [
      '',
      ui.style.bold(networkTitle(network, result)),
      ...graphLines(ui, network, result, how),
      `  ${ui.style.dim(LEGEND)}`,
      ...(kinds === null ? [] : sectionLines(ui, kinds)),
    ];
  });
}

function textsOf(result: DiffResult | ManyDiffResult): { label: string; texts: TextDiff[] }[] {
  if (!isMany(result)) return [{ label: '', texts: result.texts }];
  return result.pairs.map(({ after, texts }) => ({ label: after.label, texts }));
}

function hunkLines(ui: Ui, text: TextDiff, label: string): string[] {
  const { green, red, dim } = ui.style;
  const { path, pathBefore, added, removed, hunks, omitted, reformatted } = text;
  const title = pathBefore === undefined ? path : `${pathBefore} → ${path}`;
  const facts = [`+${added} −${removed}`, ...(reformatted ? ['JSON with line breaks'] : [])];
  const style = (line: string): string =>
    line.startsWith('+') ? green(line) : line.startsWith('-') ? red(line) : line;
  return [
    '',
    `${ui.style.bold(title)} (${[label, ...facts].filter(Boolean).join(', ')})`,
    ...hunks.flatMap(({ before, after, lines }) => [
      `  ${dim(`@@ line ${before} → ${after} @@`)}`,
      ...lines.map((line) => `  ${style(line)}`),
    ]),
    ...(omitted > 0 ? [`  and ${omitted} more lines that differ`] : []),
  ];
}

function markdownOf(ui: Ui, result: DiffResult | ManyDiffResult, how: DiffForm): string[] {
  const files = isMany(result) ? fileSection(result) : null;
  const sections = [files, ...sectionsOf(result, { ...how, layers: true })].filter(
    (section) => section !== null,
  );
  const drawn = networkLines(ui, result, how);
  return [
    ...sections.flatMap(sectionMarkdown),
    // Four spaces make a block of text as it stands: nothing in it is Markdown.
    ...drawn.map((line) => (line === '' ? '' : `    ${line}`)),
  ];
}
