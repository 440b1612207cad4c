/** What takes up space, and what a plan within a budget would make of it. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { formatBytes, formatCount, formatNumber, formatShare } from '../../cli/output/ui.js';
import { barCell, factList, type Section, tableOf } from '../../cli/pages/parts.js';
import { html } from '../../pure/picture/markup.js';
import type { ArchiveResult } from '../../use/ops/archive.js';
import type { DuResult } from '../../use/ops/du.js';
import { Document, Empty, ErrorBox, Sections, Shown } from '../parts/basics.js';
import { pathOf, useApi } from '../state/api.js';
import { setParams, useRoute } from '../state/router.js';

/** Rows of a table of versions. */
const ROWS_MAX = 500;

export function StorageView(): JSX.Element {
  const { params } = useRoute();
  const isFull = params.all === '1';
  // What is known at once is shown at once; of ten thousand versions the rest takes longer.
  const whole = useApi<DuResult>(pathOf('du', {}));
  const parts = useApi<DuResult>(
    whole.data === null ? null : pathOf('du', { versions: true, paths: true }),
  );
  return (
    <>
      <h1>Storage</h1>
      <Document asked={whole} what="what takes up space">
        {(result) =>
          result.models.length === 0 ? (
            <Empty title="Nothing is stored yet.">
              <p>
                <code>dlv add</code> and <code>dlv commit</code> store the first version.
              </p>
            </Empty>
          ) : (
            <>
              <Whole result={result} />
              <Document asked={parts} what="what each version takes">
                {(each) => <Parts result={each} isFull={isFull} />}
              </Document>
            </>
          )
        }
      </Document>
      <Plan />
    </>
  );
}

function Whole({ result }: { result: DuResult }): JSX.Element {
  const sections = useMemo(() => wholeSections(result), [result]);
  return <Sections sections={sections} />;
}

function Parts({ result, isFull }: { result: DuResult; isFull: boolean }): JSX.Element {
  const sections = useMemo(() => partSections(result, isFull), [result, isFull]);
  const left = (result.versions?.length ?? 0) - ROWS_MAX;
  return (
    <>
      <Sections sections={sections} />
      {left > 0 && !isFull && (
        <button type="button" onClick={() => setParams({ all: '1' })}>
          {formatCount(left, 'more version')}
        </button>
      )}
    </>
  );
}

/** Rows of what needs how much. @param first  what a row is of */
function needsTable(rows: readonly Sized[], first: string, caption: string): Section['body'] {
  const most = rows.reduce((max, { uniqueBytes }) => Math.max(max, uniqueBytes), 0);
  return tableOf({
    caption,
    columns: [
      { title: first, kind: first === 'path' ? 'text' : 'plain' },
      ...['files', 'needs', 'its own'].map((title) => ({ title, kind: 'number' as const })),
      { title: '', spoken: 'share of what is its own' },
    ],
    rows: rows.map(({ title, version, logicalBytes: logical, storedBytes, uniqueBytes }) => [
      version === undefined
        ? html`<b>${title}</b>`
        : html`<b data-version="${version}">${title}</b>`,
      { shown: formatBytes(logical), sort: logical },
      { shown: formatBytes(storedBytes), sort: storedBytes },
      { shown: formatBytes(uniqueBytes), sort: uniqueBytes },
      barCell(uniqueBytes, most, formatBytes(uniqueBytes)),
    ]),
  });
}

function wholeSections(result: DuResult): Section[] {
  const { diskBytes, logicalBytes, liveBytes, garbageBytes, trashBytes, packs, planes, models } =
    result;
  const facts = factList([
    ['On disk', formatBytes(diskBytes), `${formatShare(diskBytes, logicalBytes)} of all files`],
    ['Files of all versions', formatBytes(logicalBytes)],
    ['Needed by versions', formatBytes(liveBytes)],
    ['Needed by none', formatBytes(garbageBytes), 'dlv gc deletes it in time'],
    ['Trash', formatBytes(trashBytes)],
    [
      'First planes',
      formatBytes(planes.hi),
      `and ${formatBytes(planes.mid + planes.low)} in the others`,
    ],
    ['Small records', formatBytes(packs.blob), `indexes: ${formatBytes(packs.idx)}`],
    ['Pack sets', formatNumber(packs.sets)],
  ]);
  return [
    { id: 'whole', title: 'The repository', body: facts },
    {
      id: 'models',
      title: 'By model',
      body: needsTable(
        models.map((one) => ({
          ...one,
          title: `${one.model} (${formatCount(one.versions, 'version')})`,
        })),
        'model',
        'needs: all that it is rebuilt from, shared data too; its own: what is freed if it is deleted',
      ),
    },
  ];
}

function partSections(result: DuResult, isFull: boolean): Section[] {
  const versions = isFull ? (result.versions ?? []) : (result.versions ?? []).slice(0, ROWS_MAX);
  return [
    {
      id: 'versions',
      title: 'By version',
      body: needsTable(
        versions.map((one) => ({ ...one, title: one.name, version: one.name })),
        'version',
        'Each version by itself',
      ),
    },
    {
      id: 'paths',
      title: 'By path',
      body: needsTable(
        (result.paths ?? []).slice(0, ROWS_MAX).map((one) => ({ ...one, title: one.path })),
        'path',
        'Each path over all versions',
      ),
    },
  ];
}

interface Sized {
  title: string;
  /** Its name, if it is a version. */
  version?: string;
  logicalBytes: number;
  storedBytes: number;
  uniqueBytes: number;
}

function Plan(): JSX.Element {
  const { params } = useRoute();
  const { budget } = params;
  const [text, setText] = useState(budget ?? '1.5');
  const asked = useApi<ArchiveResult>(
    budget === undefined ? null : pathOf('archive', { budget, all: true }),
  );
  return (
    <section aria-labelledby="plan">
      <h2 id="plan" tabIndex={-1}>
        A plan within a budget
      </h2>
      <form
        class="bar filter"
        onSubmit={(event) => {
          event.preventDefault();
          setParams({ budget: text.trim() });
        }}
      >
        <label class="field">
          <span>no snapshot costs more than</span>
          <input
            type="text"
            value={text}
            placeholder="1.5, 200ms or none"
            onInput={({ currentTarget: { value } }) => setText(value)}
          />
        </label>
        <button type="submit">Plan</button>
        <span class="dim">
          1.5 times its own bytes, or a time such as 200ms; nothing is changed.
        </span>
      </form>
      {asked.error !== null ? (
        <ErrorBox error={asked.error} />
      ) : (
        budget !== undefined && (
          <Document asked={asked} what="encodings, which are measured">
            {(result) => <Planned result={result} />}
          </Document>
        )
      )}
    </section>
  );
}

function Planned({ result }: { result: ArchiveResult }): JSX.Element {
  const { storedBytesBefore, storedBytes, lowerBound, gap, optimal, within, impossible } = result;
  const body = factList([
    ['Stored now', formatBytes(storedBytesBefore)],
    [
      'By the plan',
      formatBytes(storedBytes),
      `${formatShare(storedBytes, storedBytesBefore)} of now`,
    ],
    [
      'No plan is below',
      formatBytes(lowerBound),
      optimal ? 'the plan is optimal' : `gap ${(100 * gap).toFixed(1)} %`,
    ],
    [
      'Within the budget',
      within ? 'yes' : 'no',
      within ? null : `${formatCount(impossible, 'snapshot')} cannot keep it`,
    ],
    ['Extents', formatNumber(result.extents), `${formatCount(result.deltas, 'delta')} by the plan`],
    ['Encoded anew', formatNumber(result.encodedExtents)],
    ['Found by', result.planners.join(', ')],
  ]);
  return (
    <>
      <Shown markup={body} />
      <p class="note">
        <code>dlv archive --budget {result.budgets.join(' --budget ')}</code> carries it out.
      </p>
    </>
  );
}
