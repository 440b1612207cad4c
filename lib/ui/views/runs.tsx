/** Runs of `dlv run`: those that go on, with what they measure as they measure it, and those that have ended. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { printable } from '../../base/bytes/printable.js';
import { metricText, stateText } from '../../cli/output/runs/run-tables.js';
import { formatCount, formatDuration } from '../../cli/output/ui.js';
import { utcText } from '../../cli/pages/versions.js';
import type { RunEntry } from '../../use/ops/runs.js';
import { Document, Empty, Text } from '../parts/basics.js';
import { pathOf, useApi } from '../state/api.js';
import { useKeys } from '../state/keys.js';
import { listOf } from '../state/route.js';
import { go, Link, setParams, useRoute } from '../state/router.js';
import { runTitle } from '../state/runs.js';

/** Runs that are shown at first. */
const FIRST = 100;
/** Curves of so many runs are drawn together. */
const PICKED_MAX = 8;

export function RunsView(): JSX.Element {
  const { params } = useRoute();
  const isAll = params.all === '1';
  const asked = useApi<RunEntry[]>(pathOf('run/list', isAll ? {} : { last: String(FIRST + 1) }));
  return (
    <>
      <h1>Runs</h1>
      <Document asked={asked} what="runs">
        {(runs) =>
          runs.length === 0 ? (
            <Empty title="There is no run yet.">
              <p>A training that dlv starts shows here while it goes on:</p>
              <pre>dlv run -- python train.py --lr 1e-3</pre>
            </Empty>
          ) : (
            <Runs
              runs={isAll ? runs : runs.slice(0, FIRST)}
              isCut={!isAll && runs.length > FIRST}
            />
          )
        }
      </Document>
    </>
  );
}

/** How a run stands: in words, and by a mark. */
export function RunState({ run }: { run: RunEntry }): JSX.Element {
  return (
    <span class={`state ${run.state}`}>
      <Text of={stateText(run)} />
    </span>
  );
}

function Runs({ runs, isCut }: { runs: readonly RunEntry[]; isCut: boolean }): JSX.Element {
  const { params } = useRoute();
  const [active, setActive] = useState(-1);
  const picked = listOf(params.pick);
  const toggle = (run: string): void => {
    const next = picked.includes(run) ? picked.filter((one) => one !== run) : [...picked, run];
    setParams({ pick: next.slice(-PICKED_MAX).join(',') }, 'replace');
  };
  const move = (by: number): void => {
    const next = Math.min(runs.length - 1, Math.max(0, active + by));
    setActive(next);
    document.getElementById(`run-${runs[next]?.run ?? ''}`)?.scrollIntoView({ block: 'nearest' });
  };
  const one = runs[active]?.run;
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => one !== undefined && go('run', { r: one }),
    x: () => one !== undefined && toggle(one),
    d: () => picked.length > 0 && go('curves', { r: picked.join(',') }),
    'g c': () => go('curves', { r: picked.join(',') || one }),
  });
  const going = runs.filter(({ state }) => state === 'running').length;
  return (
    <>
      <div class="bar">
        <p class="dim" role="status" aria-live="polite">
          {formatCount(runs.length, 'run')}
          {isCut && ', the newest'}
          {going > 0 && `; ${going === 1 ? 'one goes' : `${going} go`} on`}
        </p>
        {picked.length > 0 && (
          <Link view="curves" params={{ r: picked.join(',') }} class="button primary">
            Curves of {formatCount(picked.length, 'run')}
          </Link>
        )}
        {isCut && (
          <button type="button" onClick={() => setParams({ all: '1' })}>
            Also older ones
          </button>
        )}
      </div>
      <section class="wide" tabIndex={0} aria-label="runs">
        <table class="runs">
          <caption class="spoken">Runs, the newest first</caption>
          <thead>
            <tr>
              <th scope="col">
                <span class="spoken">selected</span>
              </th>
              <th scope="col">run</th>
              <th scope="col">state</th>
              <th scope="col">last measured</th>
              <th scope="col" class="n">
                versions
              </th>
              <th scope="col">line</th>
              <th scope="col">started, UTC</th>
              <th scope="col" class="n">
                took
              </th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run, i) => (
              <tr
                key={run.run}
                id={`run-${run.run}`}
                class={i === active ? 'active' : ''}
                aria-current={i === active ? 'true' : undefined}
              >
                <td class="pick">
                  <input
                    type="checkbox"
                    class="select"
                    checked={picked.includes(run.run)}
                    aria-label={`select run ${printable(runTitle(run))}`}
                    onChange={() => toggle(run.run)}
                  />
                </td>
                <th scope="row" class="title">
                  <Link view="run" params={{ r: run.run }} class="version">
                    <Text of={runTitle(run)} />
                  </Link>
                  <code>{run.run}</code>
                </th>
                <td data-label="state">
                  <RunState run={run} />
                </td>
                <td class="t" data-label="measured">
                  <Text of={metricText(run.metrics)} />
                </td>
                <td class="n" data-label="versions">
                  {run.versions}
                  {run.waiting > 0 && (
                    <small title="complete and not stored yet"> +{run.waiting}</small>
                  )}
                </td>
                <td class="t" data-label="line">
                  <Text of={`${run.model}/${run.branch}`} />
                </td>
                <td data-label="started">{utcText(run.started)}</td>
                <td class="n" data-label="took">
                  {formatDuration(run.seconds)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}

/** Runs that go on, for other views: nothing while there are none. */
export function GoingOn(): JSX.Element | null {
  const { data } = useApi<RunEntry[]>(pathOf('run/list', { last: '20' }));
  const going = (data ?? []).filter(({ state }) => state === 'running');
  if (going.length === 0) return null;
  return (
    <ul class="going" aria-label="runs that go on">
      {going.map((run) => (
        <li key={run.run}>
          <RunState run={run} />{' '}
          <Link view="run" params={{ r: run.run }} class="version">
            <Text of={runTitle(run)} />
          </Link>
          <span class="dim">
            <Text of={metricText(run.metrics, 2)} />
          </span>
        </li>
      ))}
    </ul>
  );
}
