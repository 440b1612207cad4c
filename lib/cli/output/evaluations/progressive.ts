/** Progressive evaluations as `dlv eval --progressive` prints them. */
import type { ProgressiveResult, ProgressiveStage } from '../../../use/ops/eval-progressive.js';
import { formatTable } from '../table.js';
import { formatBytes, formatCount, formatNumber, type Ui } from '../ui.js';
import { milliseconds } from './evaluation.js';

/** `97.5 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** `2` or `2-3`: planes of a stage. */
export function planesText({ planes: [least, most] }: ProgressiveStage): string {
  if (most === 0) return 'all';
  return least === most ? String(least) : `${least}-${most}`;
}

/** `rows 120, refined 3`. */
export function finalText(final: Record<string, number | undefined>): string {
  const parts = Object.entries(final).map(([method, count]) => `${method} ${count}`);
  return parts.length === 0 ? '–' : parts.join(', ');
}

export function printProgressive(ui: Ui, result: ProgressiveResult): void {
  const { data, stages, bytes, reference, answers } = result;
  ui.line(
    `${formatCount(data.examples, 'example')} of ${data.path}: ${result.decision} of ${result.network} ` +
      `in ${result.name}, ${result.guarantee}`,
  );
  ui.line(
    `reference: ${reference.name} ${reference.version}, all weights, optimization ${reference.optimization}`,
  );
  if (result.unanswered > 0) {
    ui.line(
      `interrupted: this is of the ${formatCount(answers.length - result.unanswered, 'example')} that were answered, ` +
        `${formatNumber(result.unanswered)} more were not`,
    );
  }
  ui.line('');
  const right = 'right' as const;
  const columns = [
    { title: 'planes', align: right },
    { title: 'bytes', align: right },
    { title: 'of all', align: right },
    { title: 'open', align: right },
    { title: 'settled', align: right },
    { title: 'mismatch', align: right },
    { title: 'ms', align: right },
    { title: 'final here' },
  ];
  const rows = stages.map((stage) => [
    planesText(stage),
    formatBytes(stage.bytes),
    percent(stage.share),
    String(stage.open),
    percent(stage.settled),
    stage.mismatch === null ? '–' : percent(stage.mismatch),
    milliseconds(Object.values(stage.milliseconds).reduce((sum, ms) => sum + ms, 0)),
    finalText(stage.final),
  ]);
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
  ui.line('');
  ui.line(
    `bytes of weights: ${formatBytes(bytes.mean)} for a query alone (mean), ` +
      `${formatBytes(bytes.union)} for all ${answers.length - result.unanswered}, ${formatBytes(bytes.all)} in all`,
  );
  if (result.accuracy !== null) ui.line(`accuracy: ${result.accuracy.toFixed(4)}`);
  if (result.whole !== null) ui.line(`a first part was read whole: ${result.whole}`);
  if (result.unbounded !== null) ui.line(`no answer was certified early: ${result.unbounded}`);
  if (result.differing !== null) {
    ui.line(`${result.differing} of ${answers.length} answers differ from those of all weights`);
  }
}
