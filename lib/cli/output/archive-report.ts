/** How `dlv archive` prints a plan: one line for each model, or with --verbose every snapshot. */
import type { ArchivedSnapshot, ArchiveResult, PlanWorth } from '../../use/ops/archive.js';
import { shortId } from './render.js';
import { formatTable } from './table.js';
import { formatBytes, formatCount, formatDuration, formatShare, type Ui } from './ui.js';

/** Prints the result of a run. */
export function printArchive(ui: Ui, result: ArchiveResult): void {
  if (result.extents === 0) {
    ui.line('there are no tensors of 4 KiB or more: nothing to archive');
    return;
  }
  const budgets = result.budgets.join(', ');
  ui.line(
    `budget: ${budgets}${result.isDefaultBudget ? ' times the least read (the default)' : ''}`,
  );
  for (const line of modelLines(result)) ui.line(line);
  if (ui.verbose) printDetails(ui, result);
  ui.line(ui.style.bold(isAllKept(result) ? ALL_KEPT : worthLine(result, result)));
  if (!result.within) ui.line(ui.style.bold(refusal(result)));
  else if (!result.done && !result.dryRun) {
    const asked = result.isDefaultBudget
      ? `: 'dlv archive --budget ${budgets}' does it all the same`
      : '';
    ui.line(`nothing was changed${asked}`);
  }
  if (result.retiredSets > 0) {
    const { retiredBytes, trashDays } = result;
    ui.note(
      `replaced files take ${formatBytes(retiredBytes)} in trash: 'dlv gc' deletes them after ` +
        `${formatCount(trashDays, 'day')}, 'dlv gc --prune=now' at once`,
    );
  }
  ui.note(formatDuration(result.seconds));
}

const ALL_KEPT =
  "everything keeps what an earlier run promised and is left as it is: 'dlv archive --all' plans it again";

/** True if nothing was planned: what could be saved is not known then. */
function isAllKept({ snapshots, verdict }: ArchiveResult): boolean {
  return verdict === 'nothing' && snapshots.every(({ kept }) => kept);
}

/** `would save 11 MiB (1 %) and make the slowest version 1.5 × slower to read: hardly worth it`. */
export function worthLine(plan: PlanWorth, { done }: Pick<ArchiveResult, 'done'>): string {
  const { savedBytes, verdict } = plan;
  if (verdict === 'nothing') return 'everything is stored as the plan wants it: nothing to do';
  const share = formatShare(Math.abs(plan.savedBytes), plan.savedBytes / plan.savedShare);
  const bytes = savedBytes === 0 ? 'nothing' : `${formatBytes(Math.abs(savedBytes))} (${share})`;
  const [saves, grows] = done
    ? [`saved ${bytes} and made`, `made the repository grow by ${bytes} and`]
    : [`would save ${bytes} and make`, `would make the repository grow by ${bytes} and`];
  const hardly = `: hardly worth it${done ? ', done because it was asked for' : ''}`;
  const worth = { worth: ': worth it', hardly, grows: '' }[verdict];
  return `${savedBytes < 0 ? grows : saves} the slowest version ${speed(plan)}${worth}`;
}

function speed({ slowestBefore, slowestPlanned }: PlanWorth): string {
  if (slowestBefore === null || slowestBefore === 0 || slowestPlanned === 0)
    return 'readable as planned';
  const times = slowestPlanned / slowestBefore;
  if (times > 1.05) return `${times.toFixed(1)} × slower to read`;
  return times < 0.95 ? `${(1 / times).toFixed(1)} × faster to read` : 'as fast to read as now';
}

function modelLines({ models, unit }: ArchiveResult): string[] {
  return models.map(({ model, versions, slowest, before, planned, least, kept, budget }) => {
    const was = before === null || before === planned ? '' : `, before ${formatCost(before, unit)}`;
    const promised = budget === null ? 'without limit' : `at most ${formatCost(budget, unit)}`;
    const known = least > 0 ? `${times(planned, least)} × its least` : '';
    const beside = kept ? `promised before: ${promised}` : known;
    const note = beside === '' ? '' : ` (${beside}${was})`;
    return `${model}: ${formatCount(versions, 'version')}; ${slowest} reads most, ${formatCost(planned, unit)}${note}`;
  });
}

function times(planned: number, least: number): string {
  return (planned / least).toFixed(2);
}

function formatCost(cost: number | null, unit: ArchiveResult['unit']): string {
  if (cost === null) return '–';
  return unit === 'bytes' ? formatBytes(cost) : formatDuration(cost / 1000);
}

function printDetails(ui: Ui, result: ArchiveResult): void {
  ui.line();
  printSnapshots(ui, result);
  ui.line();
  const { storedBytes, storedBytesBefore } = result;
  ui.line(
    `${formatCount(result.extents, 'extent')} ${result.done ? 'take' : 'would take'} ` +
      `${formatBytes(storedBytes)} instead of ${formatBytes(storedBytesBefore)}: ` +
      `${formatCount(result.deltas, 'delta')} (${formatShare(result.deltas, result.extents)}), ` +
      `by ${result.planners.join(', ')}; ` +
      `${formatCount(result.encodedExtents, 'extent')} ${result.done ? '' : 'would be '}re-encoded`,
  );
  const encodings = formatCount(result.candidates, 'encoding');
  ui.line(
    result.optimal
      ? `no plan over ${encodings} takes less`
      : `no plan over ${encodings} takes less than ${formatBytes(result.lowerBound)}: ` +
          `at most ${(result.gap * 100).toFixed(2)} % could be saved`,
  );
  ui.line();
}

/** Versions with the same files are one row. */
function printSnapshots(ui: Ui, result: ArchiveResult): void {
  const { unit } = result;
  const groups = new Map<number, ArchivedSnapshot[]>();
  for (const row of result.snapshots)
    groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
  const right = { align: 'right' as const };
  const columns = [
    { title: 'version' },
    { title: 'snapshot' },
    { ...right, title: 'least' },
    { ...right, title: 'before' },
    { ...right, title: 'budget' },
    { ...right, title: 'planned' },
    { ...right, title: '' },
    { ...right, title: 'measured' },
  ];
  const cells = [...groups.values()].map((rows) => {
    const [row] = rows as [ArchivedSnapshot];
    const others = rows.length === 1 ? '' : ` and ${rows.length - 1} more`;
    return [
      `${shortId(row.version)} ${row.name}${others}`,
      row.role === 'weights' ? row.key : `${row.key} (${row.role})`,
      formatCost(row.least, unit),
      formatCost(row.before, unit),
      formatCost(row.budget, unit),
      formatCost(row.planned, unit),
      row.least > 0 && !row.kept ? `${times(row.planned, row.least)} x` : '',
      row.measured === null
        ? ''
        : `${formatBytes(row.measured.bytes)} in ${formatDuration(row.measured.ms / 1000)}`,
    ];
  });
  for (const line of formatTable(columns, cells, { header: ui.style.bold })) ui.line(line);
}

/** Why nothing was changed: what no plan can keep, or what this planner did not. */
function refusal({ impossible, planners }: ArchiveResult): string {
  const why =
    impossible > 0
      ? `${formatCount(impossible, 'budget')} cannot be kept by any plan`
      : `${planners.join(', ')} found no plan within the budgets`;
  return `${why}: nothing was changed`;
}
