/** How well versions do on a data set, and whether they differ: on the same examples, with intervals. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { evalSections, verdict } from '../../cli/pages/evaluations/eval-page.js';
import type { EvalResult } from '../../use/ops/eval.js';
import { Document, Empty, Sections, Shown, Text, VersionsField } from '../parts/basics.js';
import { pathOf, useApi } from '../state/api.js';
import { listOf } from '../state/route.js';
import { selectedOf, setParams, useRoute } from '../state/router.js';

/** Fields of the form, as the flags of dlv eval are called. */
const FIELDS: readonly (readonly [flag: string, example: string])[] = [
  ['data', 't10k-images-idx3-ubyte.gz'],
  ['labels', 't10k-labels-idx1-ubyte.gz'],
  ['scale', '1/255'],
  ['mean', '0.286'],
  ['std', '0.353'],
  ['network', 'model.onnx'],
  ['metric', 'accuracy,loss'],
  ['limit', '2000'],
];

export function EvalView(): JSX.Element {
  const route = useRoute();
  const { params } = route;
  const chosen = listOf(params.v);
  const names = chosen.length > 0 ? chosen : selectedOf(route);
  const isAsked = params.run === '1' && names.length > 0 && params.data !== undefined;
  const flags = Object.fromEntries(FIELDS.map(([flag]) => [flag, params[flag]]));
  const asked = useApi<EvalResult>(isAsked ? pathOf('eval', { rev: names, ...flags }) : null);
  return (
    <>
      <h1>Evaluate</h1>
      <EvalForm names={names} />
      {isAsked ? (
        <Document asked={asked} what="what versions answer; the first time takes a while">
          {(result) => <Evaluation result={result} />}
        </Document>
      ) : (
        <Empty title="Name versions and a data set, and run.">
          <p>
            The first version is the baseline: others are compared with it on the same examples.
            Outcomes that <code>dlv eval</code> has kept are used again; the page itself keeps none.
          </p>
        </Empty>
      )}
    </>
  );
}

function EvalForm({ names }: { names: readonly string[] }): JSX.Element {
  const { params } = useRoute();
  const [drafts, setDrafts] = useState<Readonly<Record<string, string>>>({});
  const valueOfField = (flag: string): string => drafts[flag] ?? params[flag] ?? '';
  return (
    <form
      class="evaluate"
      onSubmit={(event) => {
        event.preventDefault();
        const values = Object.fromEntries(
          FIELDS.map(([flag]) => [flag, valueOfField(flag).trim()]),
        );
        setParams({ ...values, v: names.join(','), run: '1' });
      }}
    >
      <div class="bar filter">
        <VersionsField
          names={names}
          onNames={(next) => setParams({ v: next.join(','), run: undefined })}
        />
      </div>
      <div class="fields">
        {FIELDS.map(([flag, example]) => (
          <label class="field" key={flag}>
            <span>{flag}</span>
            <input
              type="text"
              spellcheck={false}
              placeholder={example}
              value={valueOfField(flag)}
              onInput={({ currentTarget: { value } }) =>
                setDrafts((old) => ({ ...old, [flag]: value }))
              }
            />
          </label>
        ))}
      </div>
      <div class="bar">
        <button
          type="submit"
          class="primary"
          disabled={names.length === 0 || valueOfField('data') === ''}
        >
          Run
        </button>
        <span class="dim">Paths are taken from the work tree.</span>
      </div>
    </form>
  );
}

function Evaluation({ result }: { result: EvalResult }): JSX.Element {
  const sections = useMemo(() => evalSections(result), [result]);
  const found = verdict(result);
  return (
    <>
      <p class="dim">
        <Text of={`${result.versions.map(({ name }) => name).join(', ')} on ${result.data.path}`} />
      </p>
      {found !== null && <Shown markup={found} />}
      <Sections sections={sections} />
      <footer class="notes">
        <p>
          Intervals are of 95 %. Differences are paired: mid-p McNemar for accuracy and top-k, a
          paired bootstrap for other metrics; p values are adjusted by Holm.
        </p>
      </footer>
    </>
  );
}
