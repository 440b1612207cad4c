/** How runs are printed: the list, one in full, the line while it goes on, and what came out of it. */
import { maxOf, minOf } from '../../../base/bytes/many.js';
import type { RunResult, RunStatus, ShownCheckpoint } from '../../../use/ops/run.js';
import type { RunDetails, RunEntry } from '../../../use/ops/runs.js';
import { formatMetric } from '../render.js';
import { formatTable, shorten } from '../table.js';
import { formatBytes, formatCount, formatDuration, formatTime, type Ui } from '../ui.js';

/** Metrics that a line has room for. */
const METRICS_SHOWN = 3;
const COMMAND_COLUMNS = 40;

type Metrics = RunEntry['metrics'];

/** The metrics that people look at first, and their last values. */
export function metricText(metrics: Metrics, most = METRICS_SHOWN): string {
  // What a person looks at first: a loss or an accuracy rather than a rate.
  const ranked = [...metrics].sort((a, b) => rank(a.name) - rank(b.name));
  return ranked
    .slice(0, most)
    .map(({ name, last }) => `${name} ${last === null ? 'nan' : formatMetric(last)}`)
    .join(', ');
}

function rank(name: string): number {
  if (/loss|error|perplexity/i.test(name)) return /eval|val|test/i.test(name) ? 1 : 0;
  if (/acc|f1|auc|score|bleu/i.test(name)) return 2;
  return /runtime|second|epoch|lr|learning_rate/i.test(name) ? 9 : 5;
}

/** The line while a run goes on. */
export function statusLine({ record, rssBytes }: RunStatus): string {
  const versions = new Set(record.checkpoints.flatMap(({ version }) => version ?? [])).size;
  const waiting = record.checkpoints.filter(({ state }) => state === 'held').length;
  const step = maxOf(
    record.metrics.map((one) => one.step ?? -1),
    -1,
  );
  const parts = [
    `run ${record.name ?? record.id}`,
    formatDuration(record.seconds),
    ...(record.metrics.length > 0 ? [metricText(record.metrics)] : []),
    ...(step >= 0 ? [`step ${step}`] : []),
    `${formatCount(versions, 'version')}${waiting > 0 ? ` (+${waiting})` : ''}`,
    ...(rssBytes > 0 ? [formatBytes(rssBytes)] : []),
  ];
  return parts.join(' · ');
}

/** How a run stands, in words. */
export function stateText({
  state,
  code,
  signal,
  orphaned,
}: Pick<RunEntry, 'state' | 'code' | 'signal'> & { orphaned?: boolean }): string {
  if (orphaned) return 'crashed, still runs';
  // A program that tells of itself says its error, and has no exit code yet.
  const why = state === 'failed' || state === 'killed' ? (signal ?? code) : null;
  return why === null ? state : `${state} (${why})`;
}

export function printRuns(ui: Ui, runs: readonly RunEntry[]): void {
  if (runs.length === 0) {
    ui.note("no run yet: 'dlv run -- python train.py' starts one");
    return;
  }
  const { style } = ui;
  const colour = {
    running: style.cyan,
    finished: style.green,
    failed: style.red,
    killed: style.yellow,
    crashed: style.red,
  };
  const rows = runs.map((one) => [
    { text: one.run, style: style.yellow },
    { text: stateText(one), style: colour[one.state] },
    formatTime(new Date(one.started)),
    formatDuration(one.seconds),
    `${one.versions}${one.waiting > 0 ? ` (+${one.waiting})` : ''}`,
    `${one.model}/${one.branch}`,
    metricText(one.metrics, 2),
    one.name ?? shorten(one.command.join(' '), COMMAND_COLUMNS),
  ]);
  const columns = [
    { title: 'run' },
    { title: 'state' },
    { title: 'started' },
    { title: 'time', align: 'right' as const },
    { title: 'versions', align: 'right' as const },
    { title: 'line' },
    { title: 'last' },
    { title: 'name or command' },
  ];
  for (const line of formatTable(columns, rows, { header: style.bold })) ui.line(line);
}

export function printCheckpoints(
  ui: Ui,
  checkpoints: readonly ShownCheckpoint[],
  model: string,
): void {
  const rows = checkpoints.map((one) => [
    one.place,
    one.step ?? '',
    one.number === null ? one.state : `${model}@${one.number}`,
    formatCount(one.files, 'file'),
    formatBytes(one.bytes),
    one.problem ?? '',
  ]);
  const columns = [
    {},
    { align: 'right' as const },
    {},
    { align: 'right' as const },
    { align: 'right' as const },
    {},
  ];
  for (const line of formatTable(columns, rows, { indent: '  ' })) ui.line(line);
}

export function printRun(ui: Ui, one: RunDetails): void {
  const row = (name: string, text: string): void => ui.line(`${name.padEnd(12)} ${text}`);
  row('run', `${one.run}${one.name === null ? '' : ` (${one.name})`}`);
  row('state', stateText(one));
  row('command', one.command.join(' '));
  row('in', one.cwd);
  row(
    'line',
    `${one.model}/${one.branch}${one.base === null ? '' : `, from ${one.base.slice(0, 10)}`}`,
  );
  row('started', formatTime(new Date(one.started)));
  row(
    'took',
    `${formatDuration(one.seconds)}, ${formatDuration(one.cpuSeconds)} of processors, ` +
      `at most ${formatBytes(one.peakBytes)} of memory`,
  );
  if (one.git !== null)
    row('code', `git ${one.git.commit.slice(0, 10)}${one.git.dirty ? ', changed' : ''}`);
  const pairs = (of: Record<string, string>): string =>
    Object.entries(of)
      .map(([name, text]) => `${name}=${text}`)
      .join(', ');
  if (Object.keys(one.params).length > 0) row('settings', pairs(one.params));
  row('environment', pairs(one.environment));
  for (const problem of one.problems) row('problem', problem);
  if (one.series.length > 0) {
    ui.line('metrics');
    const rows = one.series.map(({ name, steps, values }) => {
      const finite = values.filter((value) => value !== null);
      return [
        name,
        String(steps.length),
        values.at(-1) === null ? 'nan' : formatMetric(values.at(-1) as number),
        one.metrics.find((metric) => metric.name === name)?.step ?? '',
        finite.length === 0 ? '' : formatMetric(minOf(finite)),
        finite.length === 0 ? '' : formatMetric(maxOf(finite)),
      ];
    });
    const right = { align: 'right' as const };
    const columns = [
      { title: 'name' },
      { title: 'points', ...right },
      { title: 'last', ...right },
      { title: 'at step', ...right },
      { title: 'least', ...right },
      { title: 'most', ...right },
    ];
    for (const line of formatTable(columns, rows, { indent: '  ' })) ui.line(line);
  }
  if (one.checkpoints.length > 0) {
    ui.line('checkpoints');
    printCheckpoints(ui, one.checkpoints, one.model);
  }
}

/** What came out of a run, below its own output. */
export function noteResult(ui: Ui, one: RunResult): void {
  const made = one.checkpoints.filter(({ version }) => version !== null);
  const versions = new Set(made.map(({ version }) => version)).size;
  const left = one.checkpoints.filter(({ state }) => state !== 'committed');
  ui.note(
    `run ${one.name ?? one.run} ${stateText(one)}: ${formatDuration(one.seconds)}, ` +
      `${formatCount(versions, 'version')} on ${one.model}/${one.branch}` +
      `${one.metrics.length > 0 ? `; ${metricText(one.metrics)}` : ''}`,
  );
  const last = made.at(-1);
  if (last !== undefined) {
    const line = `${one.model}/${one.branch}`;
    const isOwn = one.branch === `run-${one.run}`;
    ui.note(
      `the last is ${one.model}@${last.number} (${last.place}); 'dlv log ${line}' shows all, ` +
        (isOwn
          ? `'dlv merge ${line}' takes it over`
          : "and if HEAD is on that branch, 'dlv restore .' writes its files here"),
    );
  }
  for (const { place, state, problem } of left) {
    ui.note(`'${place}' is no version (${state})${problem === null ? '' : `: ${problem}`}`);
  }
}
