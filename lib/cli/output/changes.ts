/** How changes of files and tensors are printed: shared by `diff`, `log` and `show`. */

import { type Command, Option } from 'commander';
import { pushAll } from '../../base/bytes/many.js';
import { UsageError } from '../../base/errors.js';
import type { CheckpointDiff, FileDiff, SnapshotDiff, TensorDiff } from '../../use/ops/diff.js';
import { type Cell, formatTable } from './table.js';
import { changedText, cosineText, percent, rankText, within } from './tensor-numbers.js';
import { formatBytes, formatCount, type Ui } from './ui.js';

/** What is shown of changes: every tensor in numbers, or a list of files. */
export type ChangeForm = 'patch' | 'stat' | 'name-only' | 'name-status';

/** The flags of `addChangeOptions`. */
export interface ChangeFlags {
  patch?: boolean;
  stat?: boolean;
  nameOnly?: boolean;
  nameStatus?: boolean;
}

/** Adds the flags that say how changes are shown. */
export function addChangeOptions(command: Command): Command {
  return command
    .addOption(new Option('-p, --patch', 'show how much each tensor changed'))
    .addOption(new Option('--stat', 'list the files that changed, with their sizes'))
    .addOption(new Option('--name-only', 'list the paths of the files that changed'))
    .addOption(new Option('--name-status', 'list paths with A, M or D: added, modified, deleted'));
}

/** The form that flags ask for; null for none. @throws {UsageError} if they ask for several. */
export function changeForm(flags: ChangeFlags): ChangeForm | null {
  const forms: ChangeForm[] = [];
  if (flags.patch) forms.push('patch');
  if (flags.stat) forms.push('stat');
  if (flags.nameOnly) forms.push('name-only');
  if (flags.nameStatus) forms.push('name-status');
  const [form = null, other] = forms;
  if (other !== undefined && form !== 'patch') {
    throw new UsageError(`--${form} and --${other} cannot be used together`);
  }
  // The tensors come with the list of files.
  if (other !== undefined && other !== 'stat') {
    throw new UsageError(`--patch and --${other} cannot be used together`);
  }
  return form;
}

const LETTERS = { added: 'A', removed: 'D', modified: 'M', renamed: 'R' } as const;

/**
 * The lines of changes in a form. `--stat` reads no tensor, so `snapshots` may be empty.
 * @param top  tensors of a checkpoint that are listed; null: all.
 */
export function changeLines(
  ui: Ui,
  form: ChangeForm,
  changes: {
    files: readonly FileDiff[];
    checkpoints: readonly CheckpointDiff[];
    snapshots: readonly SnapshotDiff[];
  },
  top: number | null = null,
): string[] {
  const { files, checkpoints, snapshots } = changes;
  const rows = files.filter((file) => !checkpoints.some((folder) => belongs(file, folder)));
  switch (form) {
    case 'name-only':
      return files.map(({ path }) => path);
    case 'name-status':
      return files.map((file) => `${LETTERS[file.status]}  ${pathText(file)}`);
    case 'stat':
      return [...statLines(ui, rows, checkpoints), ...summary(files)];
    case 'patch':
      return [
        ...checkpoints.map((folder) => describeCheckpoint(ui, folder)),
        ...rows.map((file) => describeFile(ui, file)),
        ...snapshots.flatMap((snapshot) => snapshotLines(ui, snapshot, top)),
      ];
  }
}

/** True if a file is told by the row of its folder. */
function belongs(file: FileDiff, folder: CheckpointDiff): boolean {
  if (file.status !== folder.status || !file.path.startsWith(`${folder.path}/`)) return false;
  const { pathBefore = '' } = file;
  return folder.pathBefore === undefined || pathBefore.startsWith(`${folder.pathBefore}/`);
}

/** A path, or where it was and is: 'old.pt → new.pt', 'a/{x → y}/model.pt'. */
function pathText({ path, pathBefore }: Pick<FileDiff, 'path' | 'pathBefore'>): string {
  if (pathBefore === undefined) return path;
  const [a, b] = [pathBefore.split('/'), path.split('/')];
  const least = Math.min(a.length, b.length) - 1;
  let start = 0;
  while (start < least && a[start] === b[start]) start++;
  let end = 0;
  while (end < least - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  if (start + end === 0) return `${pathBefore} → ${path}`;
  const middle = (parts: readonly string[]): string =>
    parts.slice(start, parts.length - end).join('/');
  const change = `{${middle(a)} → ${middle(b)}}`;
  return [...a.slice(0, start), change, ...b.slice(b.length - end)].join('/');
}

function similarText(similar: number | undefined): string {
  return similar === undefined ? '' : `${percent(similar)} similar`;
}

/** `mode 644 → 755`, where the executable bit changed. */
function modeChange({ modeBefore, modeAfter }: FileDiff): string {
  return modeBefore === undefined ? '' : `mode ${modeBefore} → ${modeAfter}`;
}

/** `added     checkpoint-1500/  (step 1500, 9 files, 412 MiB)`. */
function describeCheckpoint(ui: Ui, folder: CheckpointDiff): string {
  const { status } = folder;
  return `${fileStyles(ui)[status](status.padEnd(8))}  ${folderText(folder)}  (${folderFacts(folder)})`;
}

function folderText({ path, pathBefore }: CheckpointDiff): string {
  return pathText(pathBefore === undefined ? { path: `${path}/` } : { path, pathBefore });
}

function folderFacts({ step, files, bytes, similar }: CheckpointDiff): string {
  const facts = [
    step === null ? '' : `step ${step}`,
    formatCount(files, 'file'),
    formatBytes(bytes),
  ];
  return [...facts, similarText(similar)].filter((fact) => fact !== '').join(', ');
}

function statLines(
  ui: Ui,
  files: readonly FileDiff[],
  checkpoints: readonly CheckpointDiff[],
): string[] {
  const folders = checkpoints.map((folder): Cell[] => [
    { text: LETTERS[folder.status], style: fileStyles(ui)[folder.status] },
    folderText(folder),
    formatBytes(folder.bytes),
    '',
    formatCount(folder.files, 'file'),
  ]);
  const rows = files.map((file): Cell[] => {
    const before = file.bytesBefore ?? 0;
    const after = file.bytesAfter ?? 0;
    const grown = after - before;
    const sign = grown > 0 ? '+' : '';
    const styles = fileStyles(ui);
    return [
      { text: LETTERS[file.status], style: styles[file.status] },
      pathText(file),
      file.became ?? formatBytes(after),
      file.became !== undefined || grown === 0 ? '' : `${sign}${formatBytes(grown)}`,
      [similarText(file.similar), modeChange(file)].filter((fact) => fact !== '').join(', '),
    ];
  });
  const right = 'right' as const;
  const columns = [{}, {}, { align: right }, { align: right }, {}];
  return formatTable(columns, [...folders, ...rows], { indent: ' ' });
}

function summary(files: readonly FileDiff[]): string[] {
  if (files.length === 0) return [];
  const count = (status: FileDiff['status']): number =>
    files.filter((file) => file.status === status).length;
  const parts = (['added', 'modified', 'renamed', 'removed'] as const)
    .filter((status) => count(status) > 0)
    .map((status) => `${count(status)} ${status}`);
  return [` ${formatCount(files.length, 'file')} changed: ${parts.join(', ')}`];
}

function fileStyles(ui: Ui): Record<FileDiff['status'], (text: string) => string> {
  const { green, red, yellow } = ui.style;
  return { added: green, removed: red, modified: yellow, renamed: yellow };
}

/** `modified  model.safetensors  (5.47 MiB)`. */
function describeFile(ui: Ui, file: FileDiff): string {
  const styles = fileStyles(ui);
  const sizes = [file.bytesBefore, file.bytesAfter]
    .filter((bytes) => bytes !== null)
    .map(formatBytes);
  if (file.became !== undefined) sizes.push(file.became);
  const size = new Set(sizes).size === 1 ? sizes[0] : sizes.join(' → ');
  const facts = [size, similarText(file.similar), modeChange(file)].filter((fact) => fact !== '');
  return `${styles[file.status](file.status.padEnd(8))}  ${pathText(file)}  (${facts.join(', ')})`;
}

function snapshotLines(ui: Ui, diff: SnapshotDiff, top: number | null): string[] {
  const lines: string[] = [];
  const key =
    diff.keyBefore === diff.keyAfter || diff.keyBefore === null || diff.keyAfter === null
      ? (diff.keyAfter ?? diff.keyBefore)
      : pathText({ path: diff.keyAfter, pathBefore: diff.keyBefore });
  const steps = [diff.stepBefore, diff.stepAfter].filter((step) => step !== null);
  const step = steps.length === 0 ? '' : `, step ${[...new Set(steps)].join(' → ')}`;
  lines.push('', ui.style.bold(`${key as string} (${diff.role}${step})`));
  // One that came or went has nothing to be told but how many tensors it has.
  const isPair = diff.keyBefore !== null && diff.keyAfter !== null;
  const shown = top === null ? diff.tensors : diff.tensors.slice(0, top);
  if (isPair && shown.length > 0) {
    const columns = [
      { title: 'tensor', limit: 48 },
      { title: 'dtype' },
      { title: 'shape' },
      { title: 'changed', align: 'right' as const },
      { title: 'max |Δ|', align: 'right' as const },
      { title: 'rel. L2', align: 'right' as const },
      { title: 'cosine', align: 'right' as const },
      { title: 'flips', align: 'right' as const },
      ...(shown.some(({ numbers }) => numbers?.rank)
        ? [{ title: 'rank of Δ', align: 'right' as const }]
        : []),
    ];
    const rows = shown.map((tensor) => tensorRow(ui, tensor));
    pushAll(lines, formatTable(columns, rows, { header: ui.style.dim, indent: '  ' }));
    const left = diff.tensors.length - shown.length;
    if (left > 0) lines.push(`  … and ${formatCount(left, 'more tensor')}`);
  }
  lines.push(
    `  ${formatCount(diff.changed, 'tensor')} changed, ${diff.equal} equal, ${diff.added} added, ${diff.removed} removed`,
  );
  if (diff.renamedAs !== null) {
    const { before, after } = diff.renamedAs;
    lines.push(
      `  ${formatCount(diff.renamed, 'tensor')} matched although the names differ by a prefix: ${before} → ${after}`,
    );
  }
  return lines;
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
  const { bound } = numbers;
  const extra = numbers.nonFinite > 0 ? ` (${numbers.nonFinite} not finite)` : '';
  return [
    ...cells,
    changedText(numbers),
    numbers.maxAbs === null ? '–' : `${within(numbers.maxAbs, bound?.maxAbs ?? 0)}${extra}`,
    numbers.relativeL2 === null ? '–' : within(numbers.relativeL2, bound?.relativeL2 ?? 0),
    cosineText(numbers.cosine, bound?.cosine ?? 0),
    numbers.signFlips === null ? '–' : percent(numbers.signFlips),
    rankText(numbers),
  ];
}
