/** A network as a picture that is folded and unfolded, box by box; what is open stands in the address. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { enhance } from '#enhance';
import { networkParts } from '../../cli/pages/desc-page.js';
import type { DescribedNetworkFile } from '../../use/ops/desc.js';
import { useKeys } from '../state/keys.js';
import { listOf } from '../state/route.js';
import { setParams, useRoute } from '../state/router.js';
import { markupOf, Sections, Shown, Text } from './basics.js';

/** Boxes of a drawn network, by how much is told apart. */
const DETAILS: Readonly<Record<string, number>> = { few: 40, some: 140, most: 420, all: 3000 };
/** Boxes that are named in an address. */
const NAMED_MAX = 60;

export function Networks({ networks }: { networks: readonly DescribedNetworkFile[] }): JSX.Element {
  const { params } = useRoute();
  const detail = Object.hasOwn(DETAILS, params.detail ?? '') ? (params.detail as string) : 'most';
  const names = Object.keys(DETAILS);
  const setDetail = (next: string | undefined): void =>
    setParams({ detail: next === 'most' ? undefined : next, open: undefined });
  const click = (label: string): void => {
    for (const button of document.querySelectorAll<HTMLButtonElement>('.network .tools button')) {
      if (button.textContent === label) button.click();
    }
  };
  useKeys({
    e: () => setDetail(names[(names.indexOf(detail) + 1) % names.length]),
    f: () => click('Fit'),
    '+': () => click('+'),
    '-': () => click('−'),
    0: () => click('1:1'),
    '/': () => document.querySelector<HTMLInputElement>('.network .tools input')?.focus(),
  });
  return (
    <>
      {networks.map((network, i) => (
        <Network
          key={network.path}
          network={network}
          i={i}
          detail={detail}
          isAlone={networks.length === 1}
        >
          {i === 0 && (
            <label class="field row">
              <span>layers told apart (e)</span>
              <select value={detail} onChange={({ currentTarget: { value } }) => setDetail(value)}>
                {names.map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
            </label>
          )}
        </Network>
      ))}
    </>
  );
}

interface NetworkProps {
  network: DescribedNetworkFile;
  i: number;
  detail: string;
  isAlone: boolean;
  children: JSX.Element | false;
}

function Network({ network, i, detail, isAlone, children }: NetworkProps): JSX.Element {
  const { params } = useRoute();
  const { open = '', shut = '' } = params;
  const [opened, closed] = [
    useMemo(() => listOf(open), [open]),
    useMemo(() => listOf(shut), [shut]),
  ];
  const parts = useMemo(
    () =>
      networkParts(network, {
        boxesMax: DETAILS[detail] as number,
        open: new Set(opened),
        shut: new Set(closed),
      }),
    [network, detail, opened, closed],
  );
  const rest = useMemo(
    () => [
      { id: `size-${i + 1}`, title: 'Size and cost', body: parts.facts },
      { id: `layers-${i + 1}`, title: 'Layers', body: parts.table },
    ],
    [parts.facts, parts.table],
  );
  const drop = (list: readonly string[], alias: string): string =>
    list.filter((one) => one !== alias).join(',');
  const add = (list: readonly string[], alias: string): string =>
    [...list.filter((one) => one !== alias), alias].slice(-NAMED_MAX).join(',');
  const fold = (alias: string, does: string): void => {
    if (does === 'shut') setParams({ shut: add(closed, alias) });
    else if (closed.includes(alias)) setParams({ shut: drop(closed, alias) });
    else setParams({ open: add(opened, alias) });
  };
  return (
    <section class="network" aria-label={`network of ${network.path}`}>
      {!isAlone && (
        <h2>
          <Text of={network.path} />
        </h2>
      )}
      <div class="bar">
        {children}
        {opened.length > 0 && (
          <ul class="opened" aria-label="boxes that are unfolded">
            {opened.map((alias) => (
              <li key={alias}>
                <button
                  type="button"
                  class="small"
                  title="fold it again"
                  onClick={() => setParams({ open: drop(opened, alias) })}
                >
                  <Text of={alias} /> ×
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
      <Picture markup={String(parts.picture)} onFold={fold} />
      <Shown markup={parts.legend} />
      {parts.notes.map((note) => (
        <Shown key={String(note)} markup={note} />
      ))}
      <Sections sections={rest} />
    </section>
  );
}

interface PictureProps {
  markup: string;
  onFold: (alias: string, does: string) => void;
}

/** The picture. When it is drawn anew, what was clicked stays where it was. */
function Picture({ markup, onFold }: PictureProps): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  const kept = useRef<{ alias: string; left: number; top: number } | null>(null);
  const act = useRef(onFold);
  act.current = onFold;
  const boxOf = (alias: string): Element | null =>
    ref.current?.querySelector(`g[data-alias="${CSS.escape(alias)}"]`) ?? null;
  useLayoutEffect(() => {
    const root = ref.current;
    if (root === null) return;
    const zoom = root.querySelector<HTMLElement>('.net')?.dataset.zoom;
    root.innerHTML = markupOf(markup);
    const net = root.querySelector<HTMLElement>('.net');
    if (net !== null && zoom !== undefined) net.dataset.zoom = zoom;
    enhance(root);
    const before = kept.current;
    const box = before === null ? null : boxOf(before.alias);
    if (before === null || box === null || net === null) return;
    const { left, top } = box.getBoundingClientRect();
    net.scrollBy(left - before.left, top - before.top);
    (box as SVGGElement).focus({ preventScroll: true });
    kept.current = null;
  }, [markup]);
  useEffect(() => {
    const root = ref.current;
    if (root === null) return;
    const fold = (event: Event): void => {
      const { target } = event;
      if (!(target instanceof Element)) return;
      const box = target.closest<SVGGElement>('g[data-n]');
      const { folds, alias } = box?.dataset ?? {};
      if (box === null || !folds || alias === undefined) return;
      // Of a frame the title alone folds it: what is in it is there to be looked at.
      if (folds === 'shut' && event.type === 'click' && !target.matches('.fold')) return;
      const { left, top } = box.getBoundingClientRect();
      kept.current = { alias, left, top };
      act.current(alias, folds);
    };
    const press = (event: KeyboardEvent): void => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      if (!(event.target instanceof Element) || !event.target.matches('g[data-n]')) return;
      event.preventDefault();
      fold(event);
    };
    root.addEventListener('click', fold);
    root.addEventListener('keydown', press);
    return () => {
      root.removeEventListener('click', fold);
      root.removeEventListener('keydown', press);
    };
  }, []);
  return <div ref={ref} class="shown" />;
}
