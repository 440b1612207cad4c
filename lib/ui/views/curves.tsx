/** Metrics over steps of several versions or runs, side by side. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { LogEntry } from '../../use/ops/log.js';
import type { RunDetails } from '../../use/ops/runs.js';
import { Document, Empty, Text, VersionsField } from '../parts/basics.js';
import { ChartControls, Charts, type Plotted } from '../parts/charts.js';
import { type ApiError, type Asked, pathOf, useApi } from '../state/api.js';
import { listOf } from '../state/route.js';
import { Link, selectedOf, setParams, toggleSelected, useRoute } from '../state/router.js';
import { plottedRun } from '../state/runs.js';

/** Versions or runs of one picture. */
const LINES_MAX = 8;

export function CurvesView(): JSX.Element {
  const route = useRoute();
  const { params } = route;
  const chosen = listOf(params.v);
  const runs = listOf(params.r).slice(0, LINES_MAX);
  const names = chosen.length > 0 ? chosen : selectedOf(route);
  const isOfRuns = runs.length > 0;
  return (
    <>
      <h1>Curves{isOfRuns && ' of runs'}</h1>
      <div class="bar filter">
        {isOfRuns ? (
          <RunsChosen runs={runs} />
        ) : (
          <VersionsField names={names} onNames={(next) => setParams({ v: next.join(',') })} />
        )}
        <ChartControls />
      </div>
      {isOfRuns ? (
        <OfRuns runs={runs} />
      ) : names.length === 0 ? (
        <Newest />
      ) : (
        <OfVersions names={names.slice(0, LINES_MAX)} />
      )}
    </>
  );
}

function RunsChosen({ runs }: { runs: readonly string[] }): JSX.Element {
  return (
    <p class="acts">
      {runs.map((run) => (
        <Link key={run} view="run" params={{ r: run }} class="button">
          <Text of={run} />
        </Link>
      ))}
    </p>
  );
}

/** Without a choice: the newest versions. */
function Newest(): JSX.Element {
  const asked = useApi<LogEntry[]>(
    pathOf('log', { all: true, curves: true, 'max-count': String(LINES_MAX) }),
  );
  return (
    <Document asked={asked} what="curves">
      {(entries) => <VersionCharts entries={entries} />}
    </Document>
  );
}

function VersionCharts({ entries }: { entries: readonly LogEntry[] }): JSX.Element {
  const plotted = useMemo(
    () => entries.map(({ name, curves = [] }): Plotted => ({ name, curves })),
    [entries],
  );
  return <Charts of={plotted} none={<NoCurves />} onPick={toggleSelected} />;
}

function NoCurves(): JSX.Element {
  return (
    <Empty title="These versions keep no curves.">
      <p>
        <code>dlv run</code> and <code>dlv commit --log runs/7</code> keep the metrics of a
        training; one value alone makes no curve.
      </p>
    </Empty>
  );
}

interface Answers<T> {
  found: readonly T[];
  error: ApiError | null;
  isLoading: boolean;
  asks: JSX.Element[];
}

/** Answers to several questions; each is asked for, and kept, by itself. */
function useAnswers<T>(paths: readonly string[]): Answers<T> {
  const [answers, set] = useState<ReadonlyMap<string, Asked<T>>>(new Map());
  const asked = paths.map((path) => answers.get(path));
  const data = asked.map((one) => one?.data ?? null);
  const found = useMemo(() => data.filter((one): one is T & {} => one !== null), data);
  return {
    found,
    error: asked.find((one) => one?.error)?.error ?? null,
    isLoading: asked.some((one) => (one?.isLoading ?? true) && !one?.data),
    asks: paths.map((path) => (
      <Ask<T>
        key={path}
        path={path}
        onAnswer={(answer) => set((old) => new Map(old).set(path, answer))}
      />
    )),
  };
}

function Ask<T>({ path, onAnswer }: { path: string; onAnswer: (answer: Asked<T>) => void }): null {
  const asked = useApi<T>(path);
  useEffect(() => onAnswer(asked), [asked]);
  return null;
}

function OfVersions({ names }: { names: readonly string[] }): JSX.Element {
  const paths = names.map((rev) => pathOf('log', { rev, 'max-count': '1', curves: true }));
  const { found, error, isLoading, asks } = useAnswers<LogEntry[]>(paths);
  const entries = useMemo(() => found.flatMap((one) => one.slice(0, 1)), [found]);
  return (
    <>
      {asks}
      <Document
        asked={{ data: entries.length > 0 ? entries : null, error, warnings: [], isLoading }}
        what="curves"
      >
        {(some) => <VersionCharts entries={some} />}
      </Document>
    </>
  );
}

function OfRuns({ runs }: { runs: readonly string[] }): JSX.Element {
  const paths = runs.map((run) => pathOf('run/show', { run, thin: true }));
  const { found, error, isLoading, asks } = useAnswers<RunDetails>(paths);
  const plotted = useMemo(() => found.map(plottedRun), [found]);
  return (
    <>
      {asks}
      <Document
        asked={{ data: plotted.length > 0 ? plotted : null, error, warnings: [], isLoading }}
        what="curves"
      >
        {(some) => (
          <Charts
            of={some}
            none={
              <Empty title="These runs have measured nothing yet.">
                <p>Metrics show here as they are printed, or written to a log.</p>
              </Empty>
            }
          />
        )}
      </Document>
    </>
  );
}
