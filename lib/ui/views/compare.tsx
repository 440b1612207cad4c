/** Two to eight versions side by side: what differs, the networks as one picture, how far layers moved. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { diffNotes, diffSections } from '../../cli/pages/diff-page.js';
import type { Curve } from '../../use/history/curves.js';
import type { DiffResult, ManyDiffResult } from '../../use/ops/diff.js';
import type { LogEntry } from '../../use/ops/log.js';
import { Document, Empty, Sections, Text, VersionsField } from '../parts/basics.js';
import { pathOf, useApi } from '../state/api.js';
import { listOf } from '../state/route.js';
import { Link, selectedOf, setParams, useRoute } from '../state/router.js';

export function CompareView(): JSX.Element {
  const route = useRoute();
  const { v, base, sort } = route.params;
  const chosen = listOf(v);
  const names = chosen.length > 0 ? chosen : selectedOf(route);
  const isEnough = names.length > 1;
  const asked = useApi<DiffResult | ManyDiffResult>(
    isEnough
      ? pathOf('diff', { rev: names, baseline: base, ...(sort === undefined ? {} : { sort }) })
      : null,
  );
  return (
    <>
      <h1>Compare</h1>
      <div class="bar filter">
        <VersionsField names={names} onNames={(next) => setParams({ v: next.join(',') })} />
        {isEnough && (
          <label class="field">
            <span>baseline</span>
            <select
              value={base ?? names[0]}
              onChange={({ currentTarget: { value } }) =>
                setParams({ base: value === names[0] ? undefined : value })
              }
            >
              {names.map((name) => (
                <option key={name} value={name}>
                  <Text of={name} />
                </option>
              ))}
            </select>
          </label>
        )}
        {isEnough && (
          <Link view="curves" params={{ v: names.join(',') }}>
            Curves
          </Link>
        )}
      </div>
      {isEnough ? (
        <Document asked={asked} what="both versions">
          {(result) => <Comparison result={result} />}
        </Document>
      ) : (
        <Empty title="Choose two to eight versions.">
          <p>
            Select them in <Link view="versions">the table</Link> or{' '}
            <Link view="lineage">the lineage</Link>, with the boxes or with <kbd>x</kbd>; or write
            their names above.
          </p>
        </Empty>
      )}
    </>
  );
}

function Comparison({ result }: { result: DiffResult | ManyDiffResult }): JSX.Element {
  const { same } = result;
  const curves = useCurves(result);
  const sections = useMemo(() => diffSections({ result, curves }), [result, curves]);
  return (
    <>
      {same && <p>Files and tensors do not differ.</p>}
      <Sections sections={sections} />
      <footer class="notes">
        {diffNotes(result).map((note) => (
          <p key={note}>
            <Text of={note} />
          </p>
        ))}
      </footer>
    </>
  );
}

/** Curves of the versions that are compared, in their order. */
function useCurves({ ends }: DiffResult | ManyDiffResult): readonly (readonly Curve[])[] {
  const [a, b, c, d, e, f, g, h] = ends.map(({ version }) => version ?? null);
  const asked = [a, b, c, d, e, f, g, h].map((version) =>
    // The number of calls is always the same, as hooks want it.
    useApi<LogEntry[]>(
      version ? pathOf('log', { rev: version, 'max-count': '1', curves: true }) : null,
    ),
  );
  const data = asked.map((one) => one.data);
  return useMemo(() => ends.map((_, i) => data[i]?.[0]?.curves ?? []), [ends, ...data]);
}
