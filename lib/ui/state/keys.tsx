/** Keys: each does what a visible control does. Nothing is taken while somebody writes. */
import { useLayoutEffect, useRef } from 'preact/hooks';

/** A key ('j', 'Enter', 'g m' for one after the other) and what it does. */
export type KeyMap = Readonly<Record<string, (event: KeyboardEvent) => void>>;

const maps: { current: KeyMap }[] = [];
let prefix = '';
let prefixAt = 0;
/** A second key has to follow the first within this time. */
const PREFIX_MS = 3000;

function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.matches('input:not([type=checkbox]):not([type=range]), textarea, select');
}

function find(key: string): ((event: KeyboardEvent) => void) | undefined {
  for (const map of [...maps].reverse()) {
    const action = map.current[key];
    if (action !== undefined) return action;
  }
  return undefined;
}

function listen(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { key, target } = event;
  // An open dialog has keys of its own.
  if (target instanceof Element && target.closest('dialog') !== null) return;
  if (isWriting(target)) {
    if (key === 'Escape') (target as HTMLElement).blur();
    return;
  }
  // Enter and space belong to what has the focus.
  const isControl = target instanceof HTMLElement && target.matches('a, button, summary, input');
  if (isControl && (key === 'Enter' || key === ' ')) return;
  const isSecond = prefix !== '' && event.timeStamp - prefixAt < PREFIX_MS;
  const action = (isSecond ? find(`${prefix} ${key}`) : undefined) ?? find(key);
  prefix = key === 'g' && !isSecond ? 'g' : '';
  prefixAt = event.timeStamp;
  if (action === undefined) return;
  event.preventDefault();
  action(event);
}

/** Listens to keys as long as the component is shown; the latest map wins. */
export function useKeys(map: KeyMap): void {
  const ref = useRef(map);
  ref.current = map;
  // Before anything is seen: who sees a control may press its key.
  useLayoutEffect(() => {
    if (maps.length === 0) document.addEventListener('keydown', listen);
    maps.push(ref);
    return () => {
      maps.splice(maps.indexOf(ref), 1);
      if (maps.length === 0) document.removeEventListener('keydown', listen);
    };
  }, []);
}

/** What `?` shows. */
export const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ['g m', 'models'],
  ['g v', 'versions'],
  ['g l', 'lineage'],
  ['g r', 'runs'],
  ['g c', 'curves of what is selected'],
  ['g n', 'network of the version'],
  ['g q', 'query'],
  ['g s', 'storage'],
  ['/', 'write a filter'],
  ['j  k', 'next, previous row'],
  ['x', 'select the row'],
  ['Enter', 'open the row'],
  ['b', 'compare all rows with this one (baseline)'],
  ['d', 'compare what is selected'],
  ['[  ]', 'previous, next version'],
  ['.', 'choose columns'],
  ['l', 'logarithmic axis'],
  ['s', 'smoothing'],
  ['f  0', 'fit the network, full size'],
  ['+  -', 'larger, smaller network'],
  ['← ↑ → ↓', 'from layer to layer'],
  ['e', 'fold or unfold'],
  ['y', 'copy the address'],
  ['c', 'copy as a command'],
  ['Esc', 'back'],
  ['?', 'this list'],
];
