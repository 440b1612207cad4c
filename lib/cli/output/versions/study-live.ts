/**
 * A study while it runs. On a terminal: a table of the trials at work that is drawn anew, below the lines of those that
 * failed. Elsewhere: a line for each trial that ends. With --json: each event as a line of JSON on stderr.
 */
import type { StudyPlan, StudyTrial, TrialProgress } from '../../../use/ops/study.js';
import { formatTable, shorten } from '../table.js';
import { escapeJson, printable, terminalColumns, toTerminal } from '../terminal.js';
import { formatCount, formatDuration, type Ui } from '../ui.js';
import { notePlan, noteTrial, shown } from './study-report.js';

const REDRAW_MS = 100;
/** Drawn anew without news, so that times go on. */
const TICK_MS = 1000;
/** Trials at work that are shown; a terminal does not say how many lines it has. */
const ROWS_MAX = 16;
/** Reports of a trial that its pace is taken from. */
const PACE_REPORTS = 8;

interface AtWork extends TrialProgress {
  since: number;
  /** When it had made how many steps. */
  reports: { at: number; iteration: number }[];
}

/** Told of a study by its op. */
export interface StudyWatch {
  onPlan: (plan: StudyPlan) => void;
  onTrial: (trial: StudyTrial) => void;
  onProgress?: (trial: TrialProgress) => void;
  /** Takes the table away. */
  end: () => void;
}

/** @param isLive  false: no table is drawn, as with --no-progress. */
export function watchStudy(
  ui: Ui,
  isLive: boolean,
  now: () => number = () => performance.now(),
): StudyWatch {
  if (ui.json) return jsonEvents(ui);
  if (isLive && !ui.quiet && ui.stderr.isTTY === true) {
    const table = new LiveTable(ui, now);
    return {
      onPlan: (plan) => table.onPlan(plan),
      onTrial: (trial) => table.onTrial(trial),
      onProgress: (trial) => table.onProgress(trial),
      end: () => table.end(),
    };
  }
  return {
    onPlan: (plan) => notePlan(ui, plan),
    onTrial: (trial) => noteTrial(ui, trial),
    end: () => {},
  };
}

function jsonEvents(ui: Ui): StudyWatch {
  const say = (event: string, of: object): void => {
    if (!ui.quiet) ui.stderr.write(`${escapeJson(JSON.stringify({ event, ...of }))}\n`);
  };
  return {
    onPlan: (plan) => say('plan', plan),
    onTrial: (trial) => say('trial', trial),
    onProgress: (trial) => say('progress', trial),
    end: () => {},
  };
}

class LiveTable {
  readonly #ui: Ui;
  readonly #now: () => number;
  readonly #work = new Map<number, AtWork>();
  readonly #states = new Map<StudyTrial['state'], number>();
  readonly #timer: NodeJS.Timeout;
  #plan: StudyPlan | null = null;
  #best: { trial: StudyTrial; metric: string; value: number } | null = null;
  #beganAt: number;
  #drawnAt = Number.NEGATIVE_INFINITY;
  /** Lines of the table as it stands there. */
  #lines = 0;
  /** Steps that trials of this run have made; those of earlier runs say nothing about its pace. */
  #made = 0;
  readonly #left = new Map<number, number>();

  constructor(ui: Ui, now: () => number) {
    this.#ui = ui;
    this.#now = now;
    this.#beganAt = now();
    this.#timer = setInterval(() => this.#draw(), TICK_MS);
    this.#timer.unref();
  }

  onPlan(plan: StudyPlan): void {
    this.#plan = plan;
    notePlan(this.#ui, plan);
    this.#beganAt = this.#now();
  }

  onProgress(trial: TrialProgress): void {
    const known = this.#work.get(trial.number);
    const at = this.#now();
    const before = this.#left.get(trial.number) ?? trial.iteration;
    this.#made += Math.max(0, trial.iteration - before);
    this.#left.set(trial.number, trial.iteration);
    const isSame = known?.state === 'running' && trial.state === 'running';
    const reports = isSame ? known.reports : [];
    const values = Object.keys(trial.values).length > 0 ? trial.values : (known?.values ?? {});
    this.#work.set(trial.number, {
      ...trial,
      values,
      since: isSame ? known.since : at,
      reports: [...reports, { at, iteration: trial.iteration }].slice(-PACE_REPORTS),
    });
    if (at - this.#drawnAt >= REDRAW_MS) this.#draw();
  }

  onTrial(trial: StudyTrial): void {
    this.#work.delete(trial.number);
    this.#states.set(trial.state, (this.#states.get(trial.state) ?? 0) + 1);
    const last = trial.rungs.at(-1);
    if (last !== undefined && last.value !== null && trial.state === 'complete') {
      const isBetter = this.#best === null || this.#plan?.isLess === last.value < this.#best.value;
      if (isBetter) this.#best = { trial, metric: last.metric, value: last.value };
    }
    if (!trial.isKnown && (trial.state === 'failed' || trial.state === 'nan')) {
      this.#clear();
      noteTrial(this.#ui, trial);
    }
    if (this.#now() - this.#drawnAt >= REDRAW_MS) this.#draw();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #clear(): void {
    if (this.#lines > 0) this.#ui.stderr.write(`\x1b[${this.#lines}A\x1b[J`);
    this.#lines = 0;
  }

  #draw(): void {
    if (this.#plan === null) return;
    this.#drawnAt = this.#now();
    const columns = terminalColumns(this.#ui.stderr) - 1;
    const lines = [this.#headline(this.#plan), ...this.#table()].map((line) =>
      toTerminal(shorten(printable(line), columns)),
    );
    // In one write, so that the terminal shows no table that is half there.
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A\x1b[J` : '';
    this.#ui.stderr.write(`${up}${lines.join('\n')}\n`);
    this.#lines = lines.length;
  }

  #headline({ trials, steps }: StudyPlan): string {
    const ended = [...this.#states.values()].reduce((sum, n) => sum + n, 0);
    const states = [...this.#states].map(([state, n]) => `${n} ${state}`).join(', ');
    const waiting = [...this.#work.values()].filter(({ state }) => state === 'waiting').length;
    const said = [
      `${ended} of ${formatCount(trials, 'trial')} ended${states === '' ? '' : ` (${states})`}`,
      ...(waiting > 0 ? [`${waiting} waiting for a rule`] : []),
      ...(this.#best === null
        ? []
        : [
            `best ${this.#best.metric} ${short(this.#best.value)}, trial ${this.#best.trial.number}`,
          ]),
    ];
    const seconds = (this.#now() - this.#beganAt) / 1000;
    // What earlier runs did, and what rules save, is not known: this is what is left at most.
    if (this.#made > 0 && ended < trials) {
      const left = (Math.max(0, steps - this.#made) / this.#made) * seconds;
      said.push(`at most ${formatDuration(left)} left`);
    }
    return said.join('; ');
  }

  #table(): string[] {
    const running = [...this.#work.values()].filter(({ state }) => state === 'running');
    if (running.length === 0) return [];
    const rows = running
      .sort((a, b) => a.number - b.number)
      .slice(0, ROWS_MAX)
      .map((trial) => [
        String(trial.number),
        `${trial.iteration}/${trial.until}`,
        Object.entries(trial.values)
          .filter(([name]) => name !== 'lr')
          .map(([name, value]) => `${name} ${value === null ? '–' : short(value)}`)
          .join(' '),
        this.#leftOf(trial),
        Object.entries(trial.assignment)
          .map(
            ([key, value]) => `${key} ${typeof value === 'number' ? short(value) : shown(value)}`,
          )
          .join(', '),
      ]);
    const right = { align: 'right' } as const;
    const titles = [
      { title: 'trial', ...right },
      { title: 'steps', ...right },
      { title: 'reported', limit: 60 },
      { title: 'left', ...right },
      { title: 'settings' },
    ];
    const more = running.length - rows.length;
    return [
      ...formatTable(titles, rows, { indent: '  ' }),
      ...(more > 0 ? [`  and ${more} more`] : []),
    ];
  }

  /** Time until the next rule, by the pace of the last reports. */
  #leftOf({ reports, until, iteration }: AtWork): string {
    const [first, last] = [reports[0], reports.at(-1)];
    if (first === undefined || last === undefined || last.iteration <= first.iteration) return '';
    const pace = (last.at - first.at) / (last.iteration - first.iteration);
    return formatDuration(((until - iteration) * pace) / 1000);
  }
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
