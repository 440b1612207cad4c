/** One run: its metrics as they are measured, its checkpoints, what it was run with, what it printed. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { shellWord } from '../../base/bytes/words/wording.js';
import { metricText } from '../../cli/output/runs/run-tables.js';
import { formatBytes, formatCount, formatDuration, formatNumber } from '../../cli/output/ui.js';
import { type Fact, factList, type Section, tableOf, textBlock } from '../../cli/pages/parts.js';
import { utcText } from '../../cli/pages/versions.js';
import { html } from '../../pure/picture/markup.js';
import type { RunDetails } from '../../use/ops/runs.js';
import { Document, Empty, Sections, Text } from '../parts/basics.js';
import { ChartControls, Charts } from '../parts/charts.js';
import { pathOf, useApi } from '../state/api.js';
import { Link, useRoute } from '../state/router.js';
import { plottedRun, runTitle } from '../state/runs.js';
import { RunState } from './runs.js';

const TABS = [
  ['metrics', 'Metrics'],
  ['checkpoints', 'Checkpoints'],
  ['about', 'About'],
  ['output', 'Output'],
] as const;
type Tab = (typeof TABS)[number][0];
/** Characters of the output that are shown: its end. */
const OUTPUT_CHARS_MAX = 200_000;

export function RunView(): JSX.Element {
  const { params } = useRoute();
  const run = params.r ?? '';
  const tab = TABS.find(([name]) => name === params.tab)?.[0] ?? 'metrics';
  const asked = useApi<RunDetails>(run === '' ? null : pathOf('run/show', { run, thin: true }));
  return (
    <>
      {asked.data === null && (
        <h1>
          Run <Text of={run} />
        </h1>
      )}
      {run === '' ? (
        <Empty title="No run is named.">
          <p>
            <Link view="runs">All runs</Link>
          </p>
        </Empty>
      ) : (
        <Document asked={asked} what={`run ${run}`}>
          {(found) => <Run run={found} tab={tab} />}
        </Document>
      )}
    </>
  );
}

function Run({ run, tab }: { run: RunDetails; tab: Tab }): JSX.Element {
  const { model, branch, versions, waiting, problems } = run;
  const plotted = useMemo(() => [plottedRun(run)], [run]);
  return (
    <>
      <h1>
        <Text of={runTitle(run)} />
      </h1>
      <p class="runline">
        <RunState run={run} /> <code>{run.run}</code>
        <span class="dim">
          {utcText(run.started)} UTC, {formatDuration(run.seconds)}
        </span>
        <span>
          <Link view="versions" params={{ m: model, where: whereOfRun(run) }}>
            {formatCount(versions, 'version')}
          </Link>{' '}
          <span class="dim">
            {waiting > 0 && `and ${waiting} to be stored, `}on <Text of={`${model}/${branch}`} />
          </span>
        </span>
        <span>
          <Text of={metricText(run.metrics)} />
        </span>
      </p>
      {problems.length > 0 && (
        <div class="banner" role="status">
          <ul>
            {problems.slice(0, 12).map((text) => (
              <li key={text}>
                <Text of={text} />
              </li>
            ))}
          </ul>
        </div>
      )}
      <nav class="tabs" aria-label="parts of the run">
        {TABS.map(([one, title]) => (
          <Link
            key={one}
            view="run"
            params={{ r: run.run, tab: one === 'metrics' ? undefined : one }}
            aria-current={one === tab ? 'page' : undefined}
          >
            {title}
          </Link>
        ))}
      </nav>
      {tab === 'metrics' && (
        <>
          <div class="bar filter">
            <ChartControls />
          </div>
          <Charts
            of={plotted}
            none={
              <Empty title="Nothing is measured yet.">
                <p>Metrics show here as they are printed, or written to a log.</p>
              </Empty>
            }
          />
        </>
      )}
      {tab === 'checkpoints' && <Checkpoints run={run} />}
      {tab === 'about' && <About run={run} />}
      {tab === 'output' && <Output run={run.run} />}
    </>
  );
}

/** Its versions are those of its branch, at most from the first to the last that it made. */
function whereOfRun({ checkpoints }: RunDetails): string | undefined {
  const numbers = checkpoints.flatMap(({ number }) => (number === null ? [] : [number]));
  if (numbers.length === 0) return undefined;
  return `number in (${numbers.slice(0, 200).join(', ')})`;
}

function Checkpoints({ run }: { run: RunDetails }): JSX.Element {
  const sections = useMemo((): Section[] => {
    const { checkpoints, model } = run;
    const table = tableOf({
      caption: 'Checkpoints in the order in which they were seen',
      columns: [
        { title: 'step', kind: 'number' },
        { title: 'place' },
        { title: 'state', kind: 'plain' },
        { title: 'version', kind: 'plain' },
        { title: 'files', kind: 'number' },
        { title: 'size', kind: 'number' },
        { title: 'problem' },
      ],
      rows: checkpoints.map((one) => [
        { shown: one.step ?? '', sort: one.step },
        one.place,
        one.state === 'held' ? 'to be stored' : one.state,
        one.version === null
          ? ''
          : html`<b data-version="${one.version}">${model}@${one.number ?? '?'}</b>`,
        { shown: formatNumber(one.files), sort: one.files },
        { shown: formatBytes(one.bytes), sort: one.bytes },
        one.problem ?? '',
      ]),
    });
    return [
      { id: 'checkpoints', title: formatCount(checkpoints.length, 'checkpoint'), body: table },
    ];
  }, [run]);
  if (run.checkpoints.length === 0) {
    return (
      <Empty title="There is no checkpoint yet.">
        <p>
          They are told by their names; <code>dlv run --checkpoints 'out/step-*'</code> says it
          exactly.
        </p>
      </Empty>
    );
  }
  return <Sections sections={sections} />;
}

function About({ run }: { run: RunDetails }): JSX.Element {
  const sections = useMemo((): Section[] => {
    const pairs = (of: Record<string, string>): Fact[] => Object.entries(of);
    const { git, stretches } = run;
    const facts: (Fact | null)[] = [
      ['In', run.cwd === '' ? '.' : run.cwd],
      [
        'Line',
        `${run.model}/${run.branch}`,
        run.base === null ? null : `from ${run.base.slice(0, 10)}`,
      ],
      git === null ? null : ['Code', git.commit.slice(0, 10), git.dirty ? 'changed' : null],
      ['Took', formatDuration(run.seconds)],
      ['Of processors', formatDuration(run.cpuSeconds)],
      ['Most memory', formatBytes(run.peakBytes)],
      ['Starts', formatNumber(stretches.length)],
      run.state === 'running' && run.pid !== null ? ['Process', String(run.pid)] : null,
    ];
    const settings = pairs(run.params);
    const around = pairs(run.environment);
    return [
      {
        id: 'run',
        title: 'The run',
        body: html`${textBlock(run.command.map(shellWord).join(' '))}${factList(facts)}`,
      },
      ...(settings.length === 0
        ? []
        : [{ id: 'settings', title: 'Settings', body: factList(settings) }]),
      ...(around.length === 0
        ? []
        : [{ id: 'around', title: 'Environment', body: factList(around) }]),
    ];
  }, [run]);
  return <Sections sections={sections} />;
}

function Output({ run }: { run: string }): JSX.Element {
  const asked = useApi<{ output: string }>(pathOf('run/log', { run }));
  return (
    <Document asked={asked} what="what it printed">
      {({ output }) => (
        <>
          {output.length > OUTPUT_CHARS_MAX && <p class="note">Its end alone is shown.</p>}
          <section class="wide output" tabIndex={0} aria-label="output">
            <pre>
              <Lines of={output.slice(-OUTPUT_CHARS_MAX)} />
            </pre>
          </section>
        </>
      )}
    </Document>
  );
}

/** Text of a terminal: colours are left out, and a line that was written over shows as it was last. */
function Lines({ of }: { of: string }): JSX.Element {
  const lines = of
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, '').split('\r').at(-1) ?? '');
  return (
    <>
      {lines.map((line, i) => (
        <span key={i}>
          <Text of={line} />
          {'\n'}
        </span>
      ))}
    </>
  );
}
