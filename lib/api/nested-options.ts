/**
 * Options that are objects, or lists or tables of such, with what each of their keys holds: a misspelt key, or one of
 * another type, is refused also where no compiler looks.
 *
 * test/unit/api/option-names.test.ts holds the table to the types of the methods, in both directions.
 */
import { suggestNames } from '../base/bytes/words/closest.js';
import { UsageError } from '../base/errors.js';

/** What a key may hold. */
type Kind = 'text' | 'number' | 'boolean' | 'null' | 'numbers' | 'object';

/** An option: an object, a list with objects in it, or a table of names that are the caller's. */
type Nested =
  | { as: 'object' | 'list'; keys: Readonly<Record<string, readonly Kind[]>> }
  | { as: 'table'; values: readonly Kind[] };

export const NESTED_OPTIONS = {
  adapter: { as: 'object', keys: { path: ['text'], revision: ['text'] } },
  author: { as: 'object', keys: { email: ['text'], name: ['text'] } },
  budgets: { as: 'list', keys: { limit: ['object'], target: ['text', 'null'] } },
  'budgets.limit': { as: 'object', keys: { kind: ['text'], most: ['number'], times: ['number'] } },
  choices: { as: 'list', keys: { pattern: ['text'], side: ['text'] } },
  combine: {
    as: 'object',
    keys: {
      base: ['text'],
      density: ['number'],
      elect: ['boolean'],
      lambda: ['number'],
      method: ['text'],
      seed: ['number'],
      t: ['number'],
      weights: ['numbers'],
    },
  },
  data: { as: 'table', values: ['text'] },
  date: { as: 'object', keys: { time: ['number'], tzMinutes: ['number'] } },
  environment: { as: 'table', values: ['text'] },
  heldOf: { as: 'object', keys: { n: ['number'], run: ['text'] } },
  metrics: {
    as: 'list',
    keys: { direction: ['text'], name: ['text'], step: ['number', 'null'], value: ['number'] },
  },
  operation: { as: 'object', keys: { detail: ['text'], kind: ['text'] } },
  params: { as: 'list', keys: { name: ['text'], text: ['text'] } },
  preprocess: {
    as: 'object',
    keys: {
      channels: ['number', 'null'],
      crop: ['number', 'numbers', 'null'],
      layout: ['text'],
      mean: ['numbers'],
      resize: ['number', 'numbers', 'null'],
      // '1/255', as files of a preprocessing have it.
      scale: ['number', 'text'],
      std: ['numbers'],
    },
  },
  shapes: { as: 'table', values: ['numbers'] },
  tier: {
    as: 'object',
    keys: { bits: ['number'], codebook: ['text'], scheme: ['text'], seed: ['number'] },
  },
} as const satisfies Record<string, Nested>;

const SAID: Record<Kind, string> = {
  text: 'a text',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
  numbers: 'a list of numbers',
  object: 'an object',
};

/** @throws {UsageError} for keys of options that are objects which mean nothing, and for values of another type. */
export function checkNested(method: string, options: object): void {
  for (const [name, value] of Object.entries(options)) {
    const nested = nestedOf(name);
    // A date may be one of JavaScript; where a text names a file, no table is meant.
    const isOther = value === undefined || value === null || value instanceof Date;
    if (nested === null || isOther || (nested.as !== 'object' && typeof value !== 'object'))
      continue;
    if (nested.as === 'list') checkList(method, name, value);
    else checkObject(method, name, value);
  }
}

function nestedOf(path: string): Nested | null {
  const table: Readonly<Record<string, Nested>> = NESTED_OPTIONS;
  return Object.hasOwn(table, path) ? (table[path] as Nested) : null;
}

/** Of a list, the elements that are objects; what is no list here has names that are the caller's. */
function checkList(method: string, path: string, value: unknown): void {
  for (const one of Array.isArray(value) ? value : []) {
    if (typeof one === 'object' && one !== null) checkObject(method, path, one);
  }
}

function checkObject(method: string, path: string, value: unknown): void {
  const nested = nestedOf(path) as Nested;
  if (!kindsOf(value).includes('object')) {
    throw wrongType(method, path, { value, wanted: ['object'] });
  }
  for (const [key, own] of Object.entries(value as object)) {
    const place = `${path}.${key}`;
    const wanted = nested.as === 'table' ? nested.values : nested.keys[key];
    if (wanted === undefined) {
      const known = nested.as === 'table' ? [] : Object.keys(nested.keys);
      const hint = `it takes ${known.join(', ')}`;
      throw new UsageError(`${method}() has no option '${place}'`, {
        option: place,
        ...suggestNames(key, known, hint),
      });
    }
    if (own === undefined) continue;
    if (!kindsOf(own).some((kind) => wanted.includes(kind))) {
      throw wrongType(method, place, { value: own, wanted });
    }
    if (nestedOf(place) !== null) checkObject(method, place, own);
  }
}

/** What a value is; an empty list may be one of anything. */
function kindsOf(value: unknown): Kind[] {
  if (value === null) return ['null'];
  if (typeof value === 'string') return ['text'];
  if (typeof value === 'number' || typeof value === 'boolean') return [typeof value as Kind];
  if (typeof value !== 'object') return [];
  const isList = Array.isArray(value) || ArrayBuffer.isView(value);
  if (!isList) return ['object'];
  return [...(value as Iterable<unknown>)].every((one) => typeof one === 'number')
    ? ['numbers']
    : [];
}

function wrongType(
  method: string,
  option: string,
  { value, wanted }: { value: unknown; wanted: readonly Kind[] },
): UsageError {
  const [is] = kindsOf(value);
  const what =
    is === undefined ? (Array.isArray(value) ? 'a list' : `a ${typeof value}`) : SAID[is];
  return new UsageError(`'${option}' of ${method}() is ${what}`, {
    option,
    hint: `it is ${wanted.map((kind) => SAID[kind]).join(', or ')}`,
  });
}
