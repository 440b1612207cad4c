/** Addresses of views: short names, readable values, everything that a view shows is in them. */

import { shellWord } from '../../base/bytes/words/wording.js';

export const VIEWS = [
  'models',
  'versions',
  'lineage',
  'runs',
  'run',
  'version',
  'curves',
  'compare',
  'eval',
  'query',
  'storage',
] as const;
export type View = (typeof VIEWS)[number];

/** Where the page is. Values are texts; what is not there has its default. */
export interface Route {
  view: View;
  params: Readonly<Record<string, string>>;
}

/** Characters that need no escape within a value, and that people read better plain. */
const PLAIN = /%(40|2C|2F|3A|3B|24|28|29|2A|21|7E|27|3D)/g;

function encode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'))
    .replace(PLAIN, (code) => (code === '%27' ? code : decodeURIComponent(code)))
    .replaceAll('%20', '+');
}

export function parseRoute(pathname: string, search: string): Route {
  const name = pathname.replace(/^\/+|\/+$/g, '');
  const view = VIEWS.find((one) => one === name) ?? 'models';
  const params = Object.fromEntries([...new URLSearchParams(search)].filter(([, v]) => v !== ''));
  return { view, params };
}

export function formatRoute({ view, params }: Route): string {
  const pairs = Object.entries(params).filter(([, value]) => value !== '');
  const search = pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
  return `/${view === 'models' ? '' : view}${search === '' ? '' : `?${search}`}`;
}

/** Names in a value, separated by commas. */
export function listOf(value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : value.split(',');
}

/** The command that shows what a view shows. */
export function commandOf({ view, params }: Route): string {
  const words = ['dlv', ...wordsOf(view, params)];
  return words.map(shellWord).join(' ');
}

function flag(name: string, value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : [`--${name}`, value];
}

/** A text as conditions take it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Flags of dlv eval that the page's form has. */
export const EVAL_FLAGS = [
  ...['data', 'labels', 'scale', 'mean', 'std'],
  ...['network', 'metric', 'limit'],
] as const;

function wordsOf(view: View, params: Route['params']): string[] {
  const { v, m, where, sort, cols, base, group, q, r, budget } = params;
  const versions = listOf(v);
  const runs = listOf(r).slice(0, 1);
  switch (view) {
    case 'models':
      return ['list'];
    case 'versions':
      return [
        ...['list', '--versions'],
        ...[...flag('model', m), ...flag('where', where), ...flag('sort', sort)],
        ...[...flag('columns', cols), ...flag('group', group), ...flag('baseline', base)],
      ];
    case 'lineage':
      return ['log', '--graph', ...(m === undefined ? ['--all'] : ['--model', m])];
    case 'runs':
      return ['run', 'list'];
    case 'run':
      return ['run', params.tab === 'output' ? 'log' : 'show', ...runs];
    case 'version':
      if (params.tab === 'files') return ['show', ...versions.slice(0, 1)];
      return ['desc', ...versions.slice(0, 1), ...(params.tab === 'weights' ? ['--weights'] : [])];
    case 'curves':
      if (runs.length > 0) return ['run', 'show', ...runs];
      if (versions.length === 0) return ['log', '--curves', '--all'];
      if (versions.length === 1) return ['log', '--curves', '-n', '1', ...versions];
      return [
        'list',
        '--versions',
        '--curves',
        '--where',
        `name in (${versions.map(quoted).join(', ')})`,
      ];
    case 'compare':
      return ['diff', ...versions, ...flag('baseline', base), ...flag('sort', sort)];
    case 'eval':
      return ['eval', ...versions, ...EVAL_FLAGS.flatMap((name) => flag(name, params[name]))];
    case 'query':
      return ['query', q ?? ''];
    case 'storage':
      return budget === undefined
        ? ['du', '--versions']
        : ['archive', '--dry-run', '--budget', budget];
  }
}
