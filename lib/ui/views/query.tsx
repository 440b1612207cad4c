/** Queries in DQL: what is written is completed, errors stand where they are, rows lead to versions. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { formatCount, formatNumber } from '../../cli/output/ui.js';
import { querySections } from '../../cli/pages/query-page.js';
import { complete, type QueryWords } from '../../pure/dql/complete.js';
import type { QueryResult } from '../../use/ops/query.js';
import {
  Document,
  Empty,
  ErrorBox,
  Sections,
  SelectBox,
  Text,
  VersionLink,
} from '../parts/basics.js';
import { pathOf, useApi } from '../state/api.js';
import { useKeys } from '../state/keys.js';
import { setParams, useRoute } from '../state/router.js';

const EXAMPLES = [
  'select m where m.files > 0',
  'select m.name, m.metrics.acc as acc from m where m.metrics.acc > 0.9 order by acc desc',
  'select m where m["conv*"].next has POOL("MAX")',
  'select m.params.opt, count(*) from m group by m.params.opt',
];

export function QueryView(): JSX.Element {
  const { params } = useRoute();
  const { q } = params;
  const asked = useApi<QueryResult>(q === undefined ? null : pathOf('query', { q, explain: true }));
  const place = /(?:line (\d+), )?column (\d+)/.exec(asked.error?.message ?? '');
  return (
    <>
      <h1>Query</h1>
      <QueryField
        error={place === null ? null : { line: Number(place[1] ?? 1), column: Number(place[2]) }}
      />
      {q === undefined ? (
        <Empty title="Ask for versions by what they are.">
          <p>For example:</p>
          <ul class="examples">
            {EXAMPLES.map((text) => (
              <li key={text}>
                <button type="button" onClick={() => setParams({ q: text })}>
                  <code>{text}</code>
                </button>
              </li>
            ))}
          </ul>
        </Empty>
      ) : asked.error !== null ? (
        <ErrorBox error={asked.error} />
      ) : (
        <Document asked={asked} what="versions">
          {(result) => <Result result={result} />}
        </Document>
      )}
    </>
  );
}

function Result({ result }: { result: QueryResult }): JSX.Element {
  const { rows, fit, looked, hints } = result;
  const sections = useMemo(() => querySections(result), [result]);
  const versions = [...new Set(rows.flatMap((row) => row.versions.map(({ name }) => name)))];
  return (
    <>
      <p class="dim" role="status">
        {formatCount(rows.length, 'row')}
        {fit === rows.length ? '' : ` of ${formatNumber(fit)}`}; {formatCount(looked, 'version')}{' '}
        looked at
      </p>
      {hints.map((hint) => (
        <p key={hint} class="note">
          <Text of={hint} />
        </p>
      ))}
      {versions.length > 0 && (
        <details class="found">
          <summary>{formatCount(versions.length, 'version')}: open or select</summary>
          <ul>
            {versions.slice(0, 200).map((name) => (
              <li key={name}>
                <SelectBox name={name} /> <VersionLink name={name} />
              </li>
            ))}
          </ul>
        </details>
      )}
      <Sections sections={sections} />
    </>
  );
}

/** The line that is wrong, with a mark below where it is. */
function ErrorPlace({
  text,
  line,
  column,
}: {
  text: string;
  line: number;
  column: number;
}): JSX.Element | null {
  const row = text.trim().split('\n')[line - 1];
  if (row === undefined) return null;
  const before = row.slice(0, column - 1);
  return (
    <pre class="errorplace" aria-hidden="true">
      <Text of={before} />
      <mark>
        <Text of={row.slice(column - 1) || ' '} />
      </mark>
    </pre>
  );
}

function QueryField({ error }: { error: { line: number; column: number } | null }): JSX.Element {
  const { params } = useRoute();
  const words = useApi<QueryWords>('words');
  const [text, setText] = useState(params.q ?? '');
  const [caret, setCaret] = useState(text.length);
  const [at, setAt] = useState(-1);
  const ref = useRef<HTMLTextAreaElement>(null);
  useEffect(() => setText(params.q ?? ''), [params.q]);
  useKeys({ '/': () => ref.current?.focus() });
  useEffect(() => {
    if (error === null || ref.current === null) return;
    const before =
      text
        .split('\n')
        .slice(0, error.line - 1)
        .join('\n').length + (error.line > 1 ? 1 : 0);
    ref.current.setSelectionRange(before + error.column - 1, before + error.column);
  }, [error?.line, error?.column]);
  const [offered, part] =
    words.data === null ? [[], ''] : complete(text.slice(0, caret), words.data);
  const shown = part === '' ? [] : offered.filter((word) => word !== part).slice(0, 8);
  const run = (): void => setParams({ q: text.trim() });
  const take = (word: string): void => {
    const start = caret - part.length;
    setText(text.slice(0, start) + word + text.slice(caret));
    setAt(-1);
    requestAnimationFrame(() => {
      ref.current?.focus();
      ref.current?.setSelectionRange(start + word.length, start + word.length);
      setCaret(start + word.length);
    });
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    } else if (shown.length > 0 && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      const by = event.key === 'ArrowDown' ? 1 : -1;
      setAt((now) => (now + by + shown.length) % shown.length);
    } else if (event.key === 'Enter' && at >= 0 && shown[at] !== undefined) {
      event.preventDefault();
      take(shown[at]);
    } else if (event.key === 'Escape') setAt(-1);
  };
  return (
    <form
      class="query"
      onSubmit={(event) => {
        event.preventDefault();
        run();
      }}
    >
      <label class="field grow">
        <span>a select in DQL (Ctrl-Enter runs it)</span>
        <textarea
          ref={ref}
          rows={3}
          spellcheck={false}
          autocapitalize="off"
          value={text}
          aria-invalid={error !== null}
          aria-autocomplete="list"
          aria-controls="completions"
          aria-activedescendant={at >= 0 ? `completion-${at}` : undefined}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setCaret(event.currentTarget.selectionStart);
            setAt(-1);
          }}
          onKeyUp={(event) => setCaret(event.currentTarget.selectionStart)}
          onClick={(event) => setCaret(event.currentTarget.selectionStart)}
          onKeyDown={onKey}
        />
      </label>
      {error !== null && text.trim() === params.q && <ErrorPlace text={text} {...error} />}
      <div
        id="completions"
        class="completions"
        role="listbox"
        aria-label="completions"
        hidden={shown.length === 0}
      >
        {shown.map((word, i) => (
          <div
            key={word}
            id={`completion-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            onMouseDown={(event) => {
              event.preventDefault();
              take(word);
            }}
          >
            <Text of={word} />
          </div>
        ))}
      </div>
      <div class="bar">
        <button type="submit" class="primary">
          Run
        </button>
      </div>
    </form>
  );
}
