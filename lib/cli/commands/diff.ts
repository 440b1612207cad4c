/** `dlv diff` on the command line. */
import type { Command } from 'commander';
import type { DiffResult, FileDiff, SnapshotDiff, TensorDiff } from '../../use/ops/diff.js';
import { type Cell, formatTable } from '../output/table.js';
import { formatBytes, formatCount, formatNumber, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  staged?: boolean;
  model?: string;
  files?: boolean;
  all?: boolean;
  exitCode?: boolean;
}

const EXAMPLE: DiffResult = {
  before: { label: 'mnist@1', version: null, tier: null },
  after: { label: 'mnist@2', version: null, tier: null },
  same: false,
  files: [
    { path: 'model.safetensors', status: 'modified', bytesBefore: 5733472, bytesAfter: 5733472 },
  ],
  snapshots: [
    {
      role: 'weights',
      keyBefore: 'model.safetensors',
      keyAfter: 'model.safetensors',
      stepBefore: 2750,
      stepAfter: 3000,
      added: 0,
      removed: 0,
      changed: 1,
      equal: 25,
      tensors: [
        {
          name: 'fc.weight',
          status: 'changed',
          before: { dtype: 'F32', shape: [10, 256] },
          after: { dtype: 'F32', shape: [10, 256] },
          numbers: {
            elements: 2560,
            equal: false,
            changed: 0.998,
            maxAbs: 0.0021,
            relativeL2: 0.0013,
            cosine: 0.9999991,
            nonFinite: 0,
            reshaped: false,
            dtypeChanged: false,
          },
        },
      ],
    },
  ],
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'diff', {
      summary: 'show what differs: files, and every tensor in numbers',
      about:
        'Without a revision: the work tree against what is staged. With one: the work tree against ' +
        'it. With two: the second against the first. For each tensor that changed: the share of ' +
        'elements with other bits, the largest |b − a|, ‖b − a‖ / ‖a‖ and the cosine, over pairs of ' +
        'finite values. Paths stand behind --.',
      examples: [
        ['dlv diff HEAD~1 HEAD', 'the last version against the one before'],
        ['dlv diff', 'what changed since dlv add'],
        ['dlv diff --staged', 'what the next version will change'],
        ['dlv diff mnist@1 mnist@4 -- model.safetensors', 'one file only'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'with --exit-code: something differs' },
    })
    .argument('[revisions...]', 'none, one or two revisions, then -- and paths')
    .option('--staged', 'compare what is staged instead of the work tree')
    .option('--model <name>', "model line of the work tree (default: HEAD's)")
    .option('--files', 'list files only')
    .option('--all', 'list equal tensors as well')
    .option('--exit-code', 'answer with exit code 1 if something differs')
    .action(
      cli.action(async (run, operands: string[], flags: Flags) => {
        const { diff } = await import('../../use/ops/diff.js');
        const { before, after } = run.split(operands);
        const options = {
          revisions: before,
          paths: after ?? [],
          staged: flags.staged === true,
          filesOnly: flags.files === true,
          all: flags.all === true,
          ...(flags.model === undefined ? {} : { model: flags.model }),
        };
        const result = await run.repository((repo) => diff(repo, options, run.context));
        run.answer(result, (ui) => print(ui, result));
        return flags.exitCode && !result.same ? 1 : 0;
      }),
    );
}

function print(ui: Ui, result: DiffResult): void {
  for (const { label, tier } of [result.before, result.after]) {
    if (tier === null) continue;
    ui.line(ui.style.red(`${label} is kept as ${tier}: its exact values were given up`));
  }
  for (const file of result.files) ui.line(describeFile(ui, file));
  for (const snapshot of result.snapshots) printSnapshot(ui, snapshot);
  if (result.same) ui.note('nothing differs');
}

function describeFile(ui: Ui, file: FileDiff): string {
  const styles = { added: ui.style.green, removed: ui.style.red, modified: ui.style.yellow };
  const sizes = [file.bytesBefore, file.bytesAfter]
    .filter((bytes) => bytes !== null)
    .map(formatBytes);
  const size = new Set(sizes).size === 1 ? sizes[0] : sizes.join(' → ');
  return `${styles[file.status](file.status.padEnd(8))}  ${file.path}  (${size})`;
}

function printSnapshot(ui: Ui, diff: SnapshotDiff): void {
  const key =
    diff.keyBefore === diff.keyAfter || diff.keyBefore === null || diff.keyAfter === null
      ? (diff.keyAfter ?? diff.keyBefore)
      : `${diff.keyBefore} → ${diff.keyAfter}`;
  const steps = [diff.stepBefore, diff.stepAfter].filter((step) => step !== null);
  const step = steps.length === 0 ? '' : `, step ${[...new Set(steps)].join(' → ')}`;
  ui.line('');
  ui.line(ui.style.bold(`${key as string} (${diff.role}${step})`));
  if (diff.tensors.length > 0) {
    const columns = [
      { title: 'tensor', limit: 48 },
      { title: 'dtype' },
      { title: 'shape' },
      { title: 'changed', align: 'right' as const },
      { title: 'max |Δ|', align: 'right' as const },
      { title: 'rel. L2', align: 'right' as const },
      { title: 'cosine', align: 'right' as const },
    ];
    const rows = diff.tensors.map((tensor) => tensorRow(ui, tensor));
    for (const line of formatTable(columns, rows, { header: ui.style.dim, indent: '  ' }))
      ui.line(line);
  }
  ui.line(
    `  ${formatCount(diff.changed, 'tensor')} changed, ${diff.equal} equal, ${diff.added} added, ${diff.removed} removed`,
  );
}

function tensorRow(ui: Ui, tensor: TensorDiff): Cell[] {
  const { before, after, numbers, status } = tensor;
  const pair = (a: string | undefined, b: string | undefined): string =>
    a === undefined || b === undefined || a === b ? (b ?? a ?? '') : `${a} → ${b}`;
  const shape = (side: { shape: number[] } | null) => side && `[${side.shape.join(', ')}]`;
  const style = {
    added: ui.style.green,
    removed: ui.style.red,
    changed: ui.style.yellow,
    equal: ui.style.dim,
  };
  const cells: Cell[] = [
    { text: tensor.name, style: style[status] },
    pair(before?.dtype, after?.dtype),
    pair(shape(before) ?? undefined, shape(after) ?? undefined),
  ];
  if (numbers === null) return [...cells, status, '', '', ''];
  const extra = numbers.nonFinite > 0 ? ` (${numbers.nonFinite} not finite)` : '';
  return [
    ...cells,
    numbers.changed === null ? '–' : percent(numbers.changed),
    numbers.maxAbs === null ? '–' : `${significant(numbers.maxAbs)}${extra}`,
    numbers.relativeL2 === null ? '–' : significant(numbers.relativeL2),
    numbers.cosine === null ? '–' : numbers.cosine.toFixed(6),
  ];
}

/** A share as a percentage that is 0 % or 100 % only if it is exactly so. */
function percent(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  const shown = (share * 100).toFixed(share > 0.999 || share < 0.001 ? 4 : 1);
  return `${shown} %`;
}

function significant(value: number | string): string {
  if (typeof value === 'string') return value;
  if (Number.isInteger(value)) return formatNumber(value);
  return value >= 0.001 && value < 1e6 ? value.toPrecision(4) : value.toExponential(3);
}
