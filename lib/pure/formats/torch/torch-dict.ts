/**
 * Dicts of a pickle with the names of their keys: two keys that Python tells apart never have one name.
 */
import type { PickleSteps } from './pickle-steps.js';
import {
  PickleDict,
  PickleFloat,
  PickleObject,
  PickleSequence,
  type PickleValue,
} from './pickle-value.js';

/** Dicts of these classes are walked like plain ones. */
const DICTS = new Set([
  'collections.OrderedDict',
  'collections.defaultdict',
  'collections.Counter',
  '__builtin__.dict',
  'builtins.dict',
]);

/** A pair of a list that is read as an entry: places in two arrays. */
const PAIR_BYTES = 16;
/** One step: to compare this many characters of a key, to write this many digits of one. */
const COMPARED_CHARACTERS = 256;
const CONVERTED_DIGITS = 4;

/**
 * The entries of a dict or of an object of a dict class, or null.
 * @param steps counts the pairs of an object that has its entries as a list.
 * @throws {LimitError}
 */
export function dictOf(value: PickleValue, steps: PickleSteps): PickleDict | null {
  if (value instanceof PickleDict) return value;
  if (!(value instanceof PickleObject) || !DICTS.has(value.name ?? '')) return null;
  const [pairs] = value.args;
  if (!(pairs instanceof PickleSequence)) return value.dict ?? new PickleDict();
  // Python 2 and protocol 0 give the entries of an OrderedDict as a list of pairs.
  const count = pairs.items.length + (value.dict?.keys.length ?? 0);
  steps.take(count);
  steps.charge(PAIR_BYTES * count);
  const dict = new PickleDict();
  dict.keys = [];
  dict.values = [];
  for (const pair of pairs.items) {
    if (!(pair instanceof PickleSequence) || pair.items.length !== 2) continue;
    dict.keys.push(pair.items[0] as PickleValue);
    dict.values.push(pair.items[1] as PickleValue);
  }
  for (const [i, key] of value.dict?.keys.entries() ?? []) {
    dict.keys.push(key);
    dict.values.push(value.dict?.values[i] as PickleValue);
  }
  return dict;
}

/**
 * Entries by the name of their key, in order; a later entry of an equal key replaces the earlier.
 *
 * A text names itself and a number is named by its digits. Where a text reads like another key of the
 * dict, it is put in quotes: 0 and '0' are two keys.
 * @param steps counts the entries; memory for them is the caller's to charge.
 * @throws {LimitError}
 */
export function entriesOf(dict: PickleDict, steps: PickleSteps): Map<string, PickleValue> {
  steps.take(dict.keys.length);
  const places = new Map<unknown, number>();
  let isPlain = true;
  for (const [i, key] of dict.keys.entries()) {
    if (typeof key === 'string') steps.take(Math.floor(key.length / COMPARED_CHARACTERS));
    else isPlain = false;
    places.set(identityOf(key), i);
  }
  const entries = new Map<string, PickleValue>();
  const next = new Map<string, number>();
  const put = (name: string, place: number): void => {
    let unique = name;
    // Every NaN is a key of its own, and all have one name: the numbers that are taken are not tried again.
    for (let n = next.get(name) ?? 2; entries.has(unique); n++) {
      steps.take(1);
      unique = `${name}~${n}`;
      next.set(name, n + 1);
    }
    entries.set(unique, dict.values[place] as PickleValue);
  };
  if (isPlain) {
    for (const [key, place] of places)
      entries.set(key as string, dict.values[place] as PickleValue);
    return entries;
  }
  const taken = new Set<string>();
  for (const place of places.values()) {
    const key = dict.keys[place] as PickleValue;
    if (typeof key === 'string') continue;
    const name = nameOf(key, place);
    if (typeof key === 'bigint') steps.take(Math.floor(name.length / CONVERTED_DIGITS));
    taken.add(name);
  }
  for (const place of places.values()) {
    const key = dict.keys[place] as PickleValue;
    if (typeof key !== 'string') put(nameOf(key, place), place);
    else put(taken.has(key) ? `'${key}'` : key, place);
  }
  return entries;
}

/** What Python compares: 1, 1.0 and True are one key, '1' is another. */
function identityOf(key: PickleValue): unknown {
  if (typeof key === 'boolean') return Number(key);
  // A NaN equals no other key, not even itself.
  if (key instanceof PickleFloat) return Number.isNaN(key.value) ? key : key.value;
  // V8 hashes an integer by its lowest 64 bits alone. No text of a pickle has half of a surrogate pair.
  if (typeof key === 'bigint') return `\ud800${key.toString(16)}`;
  return key;
}

function nameOf(key: PickleValue, place: number): string {
  if (typeof key === 'number' || typeof key === 'bigint') return String(key);
  if (typeof key === 'boolean') return key ? 'True' : 'False';
  if (key === null) return 'None';
  if (key instanceof PickleFloat) {
    return Number.isInteger(key.value) ? key.value.toFixed(1) : String(key.value);
  }
  return `#${place}`;
}
