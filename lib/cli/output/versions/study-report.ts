/** A study on the terminal: its plan before it runs, each trial as it ends, and a table of all of them. */
import type { StudyPlan, StudyResult, StudyTrial } from '../../../use/ops/study.js';
import { formatTable } from '../table.js';
import { formatCount, formatDuration, type Ui } from '../ui.js';

/** What the study will do at most, on stderr. */
export function notePlan(ui: Ui, plan: StudyPlan): void {
  const {
    study,
    sources,
    cells,
    trialsOfCell,
    method,
    trials,
    rungs,
    iterations,
    steps,
    seed,
    workers,
    place,
  } = plan;
  const how =
    method === null
      ? ''
      : ` × ${formatCount(trialsOfCell, 'trial')} by ${method === 'tpe' ? 'TPE (10 of them at random)' : 'random search'}`;
  const of = `${formatCount(sources.length, 'version')} × ${formatCount(cells, 'combination')}${how}`;
  ui.note(`study ${study.slice(0, 10)}: ${of} = ${formatCount(trials, 'trial')}, seed ${seed}`);
  for (const { after, rule } of rungs)
    ui.note(`  after ${formatCount(after, 'iteration')}: ${rule}`);
  const at = `${formatCount(iterations, 'iteration')} each, at most ${formatCount(steps, 'step')} in all`;
  ui.note(`  ${at}; ${formatCount(workers, 'trial')} at once, on ${place}`);
}

export function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function lastValue({ rungs }: StudyTrial): string {
  const last = rungs.at(-1);
  if (last === undefined) return '';
  return last.value === null ? '–' : String(Number(last.value.toPrecision(5)));
}

/** One trial that ended, on stderr: the table grows with it. */
export function noteTrial(ui: Ui, trial: StudyTrial): void {
  const { number, state, assignment, iterations, isKnown, message, name } = trial;
  const settings = Object.entries(assignment).map(([key, value]) => `${key} ${shown(value)}`);
  const last = trial.rungs.at(-1);
  const score = last === undefined ? '' : `, ${last.metric} ${lastValue(trial)}`;
  const known = isKnown ? ', of an earlier run' : '';
  const why = message === null ? '' : `: ${message}`;
  ui.note(
    `trial ${number} ${state} at ${iterations}${score}${known}  ${name ?? ''}  ${settings.join(', ')}${why}`,
  );
}

/** All trials, the kept ones first; on stdout. */
export function printStudy(ui: Ui, result: StudyResult): void {
  const { trials, kept, duplicates, plan, dryRun, model } = result;
  if (dryRun) {
    ui.line(`${formatCount(plan.trials, 'trial')} would be run; versions of '${model}'`);
    return;
  }
  const order = new Map(kept.map((name, i) => [name, i]));
  const rank = ({ name }: StudyTrial): number => order.get(name ?? '') ?? kept.length;
  const sorted = [...trials].sort((a, b) => rank(a) - rank(b) || a.number - b.number);
  const keys = [...new Set(trials.flatMap(({ assignment }) => Object.keys(assignment)))];
  const metric = trials.flatMap(({ rungs }) => rungs.map((rung) => rung.metric)).at(-1) ?? 'score';
  const right = { align: 'right' } as const;
  const head = ['trial', 'state', 'iterations', metric, 'time', 'version', 'source', ...keys];
  const rows = sorted.map((trial) => [
    String(trial.number),
    {
      text: trial.state,
      style: trial.state === 'complete' ? ui.style.bold : (text: string) => text,
    },
    String(trial.iterations),
    lastValue(trial),
    formatDuration(trial.seconds),
    trial.name ?? '',
    trial.source,
    ...keys.map((key) => shown(trial.assignment[key] ?? null)),
  ]);
  const columns = [right, {}, right, right, right, {}, {}, ...keys.map(() => ({ limit: 40 }))];
  for (const line of formatTable(columns, [head, ...rows])) ui.line(line);
  const count = (state: StudyTrial['state']): number =>
    trials.filter((one) => one.state === state).length;
  const told = [
    `${kept.length} kept`,
    ...(['pruned', 'failed', 'nan'] as const).flatMap((state) =>
      count(state) > 0 ? [`${count(state)} ${state}`] : [],
    ),
    ...(duplicates > 0 ? [`${duplicates} would have been the same as another`] : []),
    ...(trials.some(({ isKnown }) => isKnown)
      ? [`${trials.filter(({ isKnown }) => isKnown).length} of an earlier run`]
      : []),
  ];
  ui.note(told.join('; '));
}
