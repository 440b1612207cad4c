/** Where the page is: the address is the state, and Back goes to where one was. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { formatRoute, listOf, parseRoute, type Route, type View } from './route.js';

const listeners = new Set<() => void>();
let current = read();

function read(): Route {
  return parseRoute(location.pathname, location.search);
}

function tell(): void {
  current = read();
  for (const listener of listeners) listener();
}

addEventListener('popstate', tell);

export function useRoute(): Route {
  const [route, set] = useState(current);
  useEffect(() => {
    const listener = (): void => set(current);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return route;
}

/** Values that change; undefined and '' take one away. */
export type Changes = Readonly<Record<string, string | undefined>>;

function changed(changes: Changes): Route {
  const params = { ...current.params, ...changes };
  const kept = Object.entries(params).filter(([, value]) => value !== undefined && value !== '');
  return { view: current.view, params: Object.fromEntries(kept) as Record<string, string> };
}

/** Changes the view in place. What people do in one go, as writing or dragging, makes one entry to go back to. */
export function setParams(changes: Changes, how: 'push' | 'replace' = 'push'): void {
  const address = formatRoute(changed(changes));
  if (address === formatRoute(current)) return;
  if (how === 'push') history.pushState(null, '', address);
  else history.replaceState(null, '', address);
  tell();
}

/** The address of another view; what is selected stays selected. */
export function addressOf(view: View, params: Changes = {}): string {
  const { sel } = current.params;
  const all = { ...params, ...(sel === undefined ? {} : { sel }) };
  const kept = Object.entries(all).filter(([, value]) => value !== undefined && value !== '');
  return formatRoute({ view, params: Object.fromEntries(kept) as Record<string, string> });
}

export function go(view: View, params: Changes = {}): void {
  history.pushState(null, '', addressOf(view, params));
  tell();
  scrollTo(0, 0);
}

export function selectedOf({ params }: Route): string[] {
  return listOf(params.sel);
}

/** Most versions that are compared at once. */
export const SELECTED_MAX = 8;

export function toggleSelected(name: string): void {
  const selected = selectedOf(current);
  const next = selected.includes(name)
    ? selected.filter((one) => one !== name)
    : [...selected, name].slice(-SELECTED_MAX);
  setParams({ sel: next.join(',') }, 'replace');
}

interface LinkProps {
  title?: string;
  'aria-label'?: string;
  'aria-current'?: 'page' | undefined;
  view: View;
  params?: Changes;
  class?: string;
  children: ComponentChildren;
}

/** A link to a view, which works as all links do: with the middle button, copied, opened aside. */
export function Link({ view, params = {}, children, ...rest }: LinkProps): JSX.Element {
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(view, params);
  };
  return (
    <a {...rest} href={addressOf(view, params)} onClick={follow}>
      {children}
    </a>
  );
}
