/** What slice and construct made: each version with its source, its ends, its changes, and new weights. */
import type { ConstructedVersion, ConstructionResult } from '../../../use/ops/construct.js';
import { formatBytes, formatCount, type Ui } from '../ui.js';

/** Lines of one kind that a version shows. */
const SHOWN_MAX = 12;

type Shown = ConstructedVersion['networks'][number];

/** Prints one block a version on stdout, and how many there are on stderr. */
export function printConstruction(ui: Ui, result: ConstructionResult): void {
  for (const version of result.versions) printVersion(ui, version, result);
  const { versions, looked, dryRun, hints } = result;
  const known = versions.filter(({ isKnown }) => isKnown).length;
  const made = versions.length - known;
  const told = [
    `${formatCount(made, 'version')} ${dryRun ? 'would be made' : 'made'}`,
    ...(known > 0 ? [`${known} made before`] : []),
    ...(looked > 0 ? [`${formatCount(looked, 'version')} looked at`] : []),
  ];
  ui.note(told.join('; '));
  for (const hint of hints) ui.note(`hint: ${hint}`);
}

function printVersion(
  ui: Ui,
  { name, model, branch, source, isKnown, networks, logicalBytes, storedBytes }: ConstructedVersion,
  { statement, dryRun }: ConstructionResult,
): void {
  const from = source === null ? '' : ` from ${source.name}`;
  const size = formatBytes(logicalBytes);
  const cost = dryRun || isKnown ? size : `${size}, ${formatBytes(storedBytes)} stored`;
  const what = isKnown ? 'made before' : `${statement}${from}`;
  ui.line(`${ui.style.bold(name ?? `${model}/${branch}`)} (${model}/${branch})  ${what}, ${cost}`);
  for (const network of networks) printNetwork(ui, network);
}

function printNetwork(ui: Ui, shown: Shown): void {
  const { path, inputs, outputs, layers, layersBefore, parameters, changes, initialised } = shown;
  const before = layersBefore === 0 ? '' : ` of ${layersBefore} before`;
  ui.line(
    `  ${path}: ${formatCount(layers, 'layer')}${before}, ${formatCount(parameters, 'parameter')}`,
  );
  const ends = (values: Shown['inputs']): string =>
    values
      .map(({ name, type, shape }) => `${name} ${type ?? '?'} [${shape?.join(', ') ?? '…'}]`)
      .join(', ');
  ui.line(`    in   ${ends(inputs)}`);
  ui.line(`    out  ${ends(outputs)}`);
  if (shown.sideInputs.length > 0) {
    ui.line(`    ${shown.sideInputs.join(', ')} came in from outside of the slice`);
  }
  const lines = [
    ...changes.map(({ kind, layer, made }) => {
      if (kind === 'delete') return `- ${layer}`;
      if (kind === 'insert') return `+ ${made.join(' -> ')} behind ${layer}`;
      const [first, ...more] = made;
      return first === layer && more.length === 0
        ? `~ ${layer}, another layer of that name`
        : `~ ${layer} → ${made.join(' -> ')}`;
    }),
  ];
  printSome(ui, lines);
  const drawn = initialised.filter(({ rule }) => rule !== 'constant');
  printSome(
    ui,
    drawn.map(
      ({ name, shape, rule }) => `new weights ${name} [${shape.join(', ')}], ${RULES[rule]}`,
    ),
  );
}

const RULES = { he: "He's rule", glorot: "Glorot's rule", constant: 'one value' } as const;

function printSome(ui: Ui, lines: readonly string[]): void {
  for (const line of lines.slice(0, SHOWN_MAX)) ui.line(`    ${line}`);
  if (lines.length > SHOWN_MAX) ui.line(`    … and ${lines.length - SHOWN_MAX} more`);
}
