/** The frame of all views: where one is, what is selected, keys, what can be copied. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ErrorBox, Text } from './parts/basics.js';
import { type ApiError, useIsLost } from './state/api.js';
import { KEYS, useKeys } from './state/keys.js';
import { commandOf, type View } from './state/route.js';
import { go, Link, selectedOf, setParams, useRoute } from './state/router.js';
import { CompareView } from './views/compare.js';
import { CurvesView } from './views/curves.js';
import { EvalView } from './views/evaluation.js';
import { LineageView } from './views/lineage.js';
import { ModelsView } from './views/models.js';
import { QueryView } from './views/query.js';
import { RunView } from './views/run.js';
import { RunsView } from './views/runs.js';
import { StorageView } from './views/storage.js';
import { VersionView } from './views/version.js';
import { VersionsView } from './views/versions.js';

const NAMES: readonly (readonly [View, string])[] = [
  ['models', 'Models'],
  ['versions', 'Versions'],
  ['lineage', 'Lineage'],
  ['runs', 'Runs'],
  ['curves', 'Curves'],
  ['compare', 'Compare'],
  ['eval', 'Evaluate'],
  ['query', 'Query'],
  ['storage', 'Storage'],
];

const SHOWN: Record<View, () => JSX.Element> = {
  models: ModelsView,
  versions: VersionsView,
  lineage: LineageView,
  runs: RunsView,
  run: RunView,
  version: VersionView,
  curves: CurvesView,
  compare: CompareView,
  eval: EvalView,
  query: QueryView,
  storage: StorageView,
};

type Theme = 'light' | 'dark';

function themeNow(): Theme {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

function ThemeButton(): JSX.Element {
  const [theme, set] = useState(themeNow);
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <button
      type="button"
      class="quiet"
      aria-label={`switch to ${other}`}
      title={`switch to ${other}`}
      onClick={() => {
        document.documentElement.dataset.theme = other;
        localStorage.setItem('dlv-theme', other);
        dispatchEvent(new Event('dlv-theme'));
        set(other);
      }}
    >
      {theme === 'dark' ? '☀' : '☾'}
    </button>
  );
}

/** Copies a text and says so. */
function useCopy(): [said: string, copy: (text: string, what: string) => void] {
  const [said, set] = useState('');
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => set(''), 2500);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = (text: string, what: string): void => {
    navigator.clipboard.writeText(text).then(
      () => set(what === '' ? `copied: ${text}` : `copied ${what}`),
      () => set(text),
    );
  };
  return [said, copy];
}

function Help({ onClose }: { onClose: () => void }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} class="sheet" aria-labelledby="keys" onClose={onClose}>
      <div class="bar">
        <h2 id="keys">Keys</h2>
        <button type="button" onClick={() => ref.current?.close()}>
          Close
        </button>
      </div>
      <table class="keys">
        <caption class="spoken">keys and what they do</caption>
        <tbody>
          {KEYS.map(([keys, does]) => (
            <tr key={keys}>
              <th scope="row">
                {keys.split(/ +/).map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{does}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </dialog>
  );
}

/** What is selected, and what can be done with it. */
function Tray(): JSX.Element | null {
  const route = useRoute();
  const { view, params } = route;
  const selected = selectedOf(route);
  if (selected.length === 0) return null;
  return (
    <aside class="tray" aria-label="selected versions">
      <ul>
        {selected.map((name) => (
          <li key={name}>
            <Text of={name} />
            <button
              type="button"
              aria-label={`unselect ${name}`}
              onClick={() =>
                setParams({ sel: selected.filter((one) => one !== name).join(',') }, 'replace')
              }
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <div class="acts">
        {selected.length > 1 && (
          <Link
            view="compare"
            params={{ v: selected.join(',') }}
            class="button primary"
            title="compare (d)"
          >
            Compare
          </Link>
        )}
        {selected.length === 1 && (
          <Link
            view="versions"
            params={{ ...(view === 'versions' ? params : {}), base: selected[0] }}
            class="button"
            title="compare all rows with this one (b)"
          >
            As baseline
          </Link>
        )}
        <Link view="curves" params={{ v: selected.join(',') }} class="button">
          Curves
        </Link>
        <Link view="eval" params={{ v: selected.join(',') }} class="button">
          Evaluate
        </Link>
        <button type="button" onClick={() => setParams({ sel: undefined }, 'replace')}>
          Clear
        </button>
      </div>
    </aside>
  );
}

export function App({ error }: { error: ApiError | null }): JSX.Element {
  const route = useRoute();
  const { view, params } = route;
  const isLost = useIsLost();
  const [isHelp, setHelp] = useState(false);
  const [said, copy] = useCopy();
  const command = commandOf(route);
  const selected = selectedOf(route);
  useKeys({
    'g m': () => go('models'),
    'g v': () => go('versions', params.m === undefined ? {} : { m: params.m }),
    'g l': () => go('lineage', params.m === undefined ? {} : { m: params.m }),
    'g r': () => go('runs'),
    'g n': () => view === 'version' && setParams({ tab: 'network' }),
    'g c': () => go('curves', { v: selected.join(',') || params.v }),
    'g q': () => go('query'),
    'g s': () => go('storage'),
    d: () => go('compare', { v: selected.join(',') }),
    y: () => copy(location.href, 'the address'),
    c: () => copy(command, ''),
    Escape: () => history.back(),
    '?': () => setHelp(true),
  });
  useEffect(() => {
    const title = NAMES.find(([one]) => one === view)?.[1] ?? params.v ?? params.r ?? view;
    document.title = `${title} · dlv`;
    // Where views do not fit side by side, the one that is shown is in sight.
    document
      .querySelector('header nav [aria-current]')
      ?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [view, params.v, params.r]);
  const Shown = SHOWN[view];
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        To the content
      </button>
      <header class="top">
        <Link view="models" class="brand">
          dlv
        </Link>
        <nav aria-label="views">
          {NAMES.map(([name, title]) => (
            <Link
              key={name}
              view={name}
              params={name === 'versions' || name === 'lineage' ? { m: params.m } : {}}
              aria-current={name === (view === 'run' ? 'runs' : view) ? 'page' : undefined}
            >
              {title}
            </Link>
          ))}
        </nav>
        <div class="tools">
          <button
            type="button"
            class="quiet"
            title="copy as a command (c)"
            onClick={() => copy(command, '')}
          >
            Copy command
          </button>
          <button
            type="button"
            class="quiet wideonly"
            title="copy the address (y)"
            onClick={() => copy(location.href, 'the address')}
          >
            Copy link
          </button>
          <button
            type="button"
            class="quiet"
            aria-label="keys"
            title="keys (?)"
            onClick={() => setHelp(true)}
          >
            ?
          </button>
          <ThemeButton />
        </div>
      </header>
      <p class="said" role="status" aria-live="polite">
        {said}
      </p>
      {isLost && (
        <div class="banner" role="status">
          The server does not answer: what is shown may be old. Is <code>dlv ui</code> still
          running?
        </div>
      )}
      <main id="main" tabIndex={-1}>
        {error === null ? <Shown key={view} /> : <Locked error={error} />}
      </main>
      {selected.length > 0 && <Tray />}
      {isHelp && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

/** Shown to a browser that has no key. */
function Locked({ error }: { error: ApiError }): JSX.Element {
  return (
    <>
      <h1>This page is locked</h1>
      <ErrorBox error={error} />
      <p>
        Open the address that <code>dlv ui</code> printed: its end, after <code>#token=</code>, lets
        a browser in once.
      </p>
    </>
  );
}
