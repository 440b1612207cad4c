/**
 * Walks what a PyTorch pickle describes and names its tensors by their path.
 *
 * Values are shared by reference, so the walk bounds its depth and all its steps, and goes round no
 * cycle. Only dicts, sequences and objects are entered; nothing is called.
 */
import { CorruptError, LimitError } from '../../../base/errors.js';
import { NESTING_MAX, PICKLE_STEPS_MAX, TENSORS_PER_FILE_MAX } from '../../../base/limits.js';
import { CHARGES, type MemoryBudget } from '../memory-budget.js';
import {
  PickleDict,
  PickleGlobal,
  PickleObject,
  PicklePersistent,
  PickleSequence,
  type PickleValue,
} from './pickle-value.js';
import {
  readStorage,
  type TorchStorage,
  type TorchView,
  understandObject,
} from './torch-tensor.js';

/** The keys that lead to a value: the first, or null at the root, and the others joined by dots. */
interface Path {
  top: string | null;
  rest: string;
}

/** A tensor and the keys that lead to it. */
export interface FoundTensor extends Path {
  view: TorchView;
}

/** What a walk found. */
export interface TorchContent {
  tensors: FoundTensor[];
  /** By key; every storage that a tensor or the structure itself refers to. */
  storages: Map<string, TorchStorage>;
  /** The top-level dict, if there is one. */
  root: Map<string, PickleValue> | null;
  /** Names of calls that are none of PyTorch's, NumPy's or Python's own containers. */
  foreign: string[];
  /** Kinds of tensors that could not be viewed. */
  unsupported: string[];
  quantised: number;
  sparse: number;
}

/** Memory of a tensor that was found, its view and its storage, until it is one of the layout. */
const FOUND_BYTES = 400;
/** What entering a container counts for. */
const CONTAINER_STEPS = 8;
/** Dicts of these classes are walked like plain ones. */
const DICTS = new Set([
  'collections.OrderedDict',
  'collections.defaultdict',
  'collections.Counter',
  '__builtin__.dict',
  'builtins.dict',
]);
/** Attributes of a module that its parameters are not named by. */
const MODULE_PARTS = new Set(['_parameters', '_modules', '_buffers']);
/** Callables that are expected in a checkpoint and need no warning. */
const FAMILIAR = new RegExp(
  [
    '^torch\\.(?!hub\\.|utils\\.|jit\\.|load$|compile$)',
    '^__torch__\\.',
    '^numpy\\.(ndarray|dtype|_?core\\.multiarray\\.(_reconstruct|scalar)|_?core\\.numeric\\.\\w+)$',
    '^collections\\.\\w+$',
    '^(argparse\\.Namespace|_codecs\\.encode|copy_?reg\\._reconstructor|pathlib\\.\\w+)$',
    '^(builtins|__builtin__)\\.(dict|list|set|frozenset|tuple|int|float|complex|bool|str|bytes' +
      '|bytearray|slice|range|object)$',
  ].join('|'),
);

/**
 * @param file    named in errors.
 * @param budget  charged for what is found.
 * @throws {CorruptError} {LimitError}
 */
export function walkTorch(value: PickleValue, file: string, budget: MemoryBudget): TorchContent {
  const walk = new Walk(file, budget);
  walk.visit(value, { top: null, rest: '' }, 0);
  const dict = dictOf(value);
  return { ...walk.found, root: dict && entriesOf(dict) };
}

class Walk {
  readonly found: Omit<TorchContent, 'root'> = {
    tensors: [],
    storages: new Map(),
    foreign: [],
    unsupported: [],
    quantised: 0,
    sparse: 0,
  };
  readonly #file: string;
  readonly #open = new Set<PickleValue>();
  readonly #foreign = new Set<string>();
  readonly #unsupported = new Set<string>();
  readonly #budget: MemoryBudget;
  #steps = 0;

  constructor(file: string, budget: MemoryBudget) {
    this.#file = file;
    this.#budget = budget;
  }

  visit(value: PickleValue, path: Path, depth: number): void {
    if (value instanceof PicklePersistent) {
      const storage = readStorage(value, this.#file);
      if (storage) this.#storage(storage);
      return;
    }
    const isDict = value instanceof PickleDict;
    if (!isDict && !(value instanceof PickleSequence) && !(value instanceof PickleObject)) return;
    if (this.#open.has(value)) return;
    if (depth >= NESTING_MAX) throw this.#limit('NESTING_MAX', NESTING_MAX);
    this.#step(CONTAINER_STEPS);
    this.#open.add(value);
    if (value instanceof PickleSequence) this.#items(value.items, path, depth);
    else if (isDict) this.#dict(value, path, depth);
    else this.#object(value, path, depth);
    this.#open.delete(value);
  }

  #step(count: number): void {
    this.#steps += count;
    if (this.#steps > PICKLE_STEPS_MAX) throw this.#limit('PICKLE_STEPS_MAX', PICKLE_STEPS_MAX);
  }

  #limit(limit: string, max: number): LimitError {
    return new LimitError(`'${this.#file}': the pickle is nested or shared too much (${limit})`, {
      file: this.#file,
      limit,
      max,
    });
  }

  #items(items: readonly PickleValue[], path: Path, depth: number): void {
    this.#step(items.length);
    for (const [i, item] of items.entries()) {
      if (isOpen(item)) this.visit(item, below(path, String(i)), depth + 1);
    }
  }

  #dict(dict: PickleDict, path: Path, depth: number): void {
    this.#step(dict.keys.length);
    // Entries by key, until all were visited.
    this.#budget.charge(CHARGES.entry * dict.keys.length);
    for (const [key, value] of entriesOf(dict)) {
      if (isOpen(value)) this.visit(value, below(path, key), depth + 1);
    }
  }

  #object(object: PickleObject, path: Path, depth: number): void {
    const meaning = understandObject(object, this.#file);
    switch (meaning.kind) {
      case 'view':
        this.#storage(meaning.view.storage);
        this.#tensor({ ...path, view: meaning.view });
        if (meaning.view.quantised) this.found.quantised++;
        return;
      case 'same':
        this.visit(meaning.value, path, depth + 1);
        return;
      case 'parts':
        this.found.sparse++;
        for (const [name, part] of meaning.parts) this.visit(part, below(path, name), depth + 1);
        return;
      case 'unsupported':
        if (!this.#unsupported.has(meaning.what)) {
          this.#unsupported.add(meaning.what);
          this.found.unsupported.push(meaning.what);
        }
        // Its storages are data all the same.
        this.#items(object.args, path, depth);
        return;
      default:
        this.#otherObject(object, path, depth);
    }
  }

  #otherObject(object: PickleObject, path: Path, depth: number): void {
    const { name } = object;
    if (name === null || !FAMILIAR.test(name)) this.#note(name ?? 'a computed callable');
    const dict = dictOf(object);
    if (dict !== null) {
      this.#dict(dict, path, depth);
      return;
    }
    this.#items(object.args, path, depth);
    this.#items(object.items, path, depth);
    if (object.dict !== null) this.#dict(object.dict, path, depth);
    for (const state of object.states) this.#state(state, path, depth);
  }

  /** State of an object of an unknown class: a dict of attributes, or a tuple that holds one. */
  #state(state: PickleValue, path: Path, depth: number): void {
    if (!(state instanceof PickleDict)) {
      this.visit(state, path, depth + 1);
      return;
    }
    this.#step(CONTAINER_STEPS + state.keys.length);
    if (this.#open.has(state)) return;
    this.#open.add(state);
    for (const [key, value] of entriesOf(state)) {
      const inner = MODULE_PARTS.has(key) ? path : below(path, key);
      if (isOpen(value)) this.visit(value, inner, depth + 1);
    }
    this.#open.delete(state);
  }

  #tensor(tensor: FoundTensor): void {
    const { tensors } = this.found;
    if (tensors.length >= TENSORS_PER_FILE_MAX) {
      throw this.#limit('TENSORS_PER_FILE_MAX', TENSORS_PER_FILE_MAX);
    }
    const { top, rest, view } = tensor;
    // The names are joined later, each in memory of its own.
    const nameBytes = (top?.length ?? 0) + rest.length;
    this.#budget.charge(FOUND_BYTES + nameBytes + 16 * view.shape.length);
    tensors.push(tensor);
  }

  #note(name: string): void {
    if (this.#foreign.has(name)) return;
    this.#foreign.add(name);
    this.found.foreign.push(name);
  }

  #storage(storage: TorchStorage): void {
    const known = this.found.storages.get(storage.key);
    if (known === undefined) {
      this.found.storages.set(storage.key, storage);
    } else if (known.className !== storage.className || known.count !== storage.count) {
      throw new CorruptError(`'${this.#file}': storage '${storage.key}' is described in two ways`, {
        file: this.#file,
      });
    }
  }
}

function below({ top, rest }: Path, key: string): Path {
  if (top === null) return { top: key, rest };
  return { top, rest: rest === '' ? key : `${rest}.${key}` };
}

/** True for values that can hold or be tensors. */
function isOpen(value: PickleValue): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !(value instanceof Uint8Array) &&
    !(value instanceof PickleGlobal)
  );
}

/** The entries of a dict or of an object of a dict class, or null. */
function dictOf(value: PickleValue): PickleDict | null {
  if (value instanceof PickleDict) return value;
  if (!(value instanceof PickleObject) || !DICTS.has(value.name ?? '')) return null;
  const [pairs] = value.args;
  if (!(pairs instanceof PickleSequence)) return value.dict ?? new PickleDict();
  // Python 2 and protocol 0 give the entries of an OrderedDict as a list of pairs.
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

/** Entries by the text of their key; a later entry of one key replaces the earlier. */
function entriesOf(dict: PickleDict): Map<string, PickleValue> {
  const entries = new Map<string, PickleValue>();
  for (const [i, key] of dict.keys.entries()) {
    entries.set(keyText(key, i), dict.values[i] as PickleValue);
  }
  return entries;
}

function keyText(key: PickleValue, index: number): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint') return String(key);
  return `#${index}`;
}
