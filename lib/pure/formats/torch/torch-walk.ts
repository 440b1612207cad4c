/**
 * Walks what a PyTorch pickle describes and names its tensors by their path.
 *
 * Values are shared by reference, so the walk bounds its depth and all its steps, and goes round no
 * cycle. Only dicts, sequences and objects are entered; nothing is called.
 */
import { CorruptError } from '../../../base/errors.js';
import { NESTING_MAX, TENSORS_PER_FILE_MAX } from '../../../base/limits.js';
import { CHARGES } from '../memory-budget.js';
import type { PickleSteps } from './pickle-steps.js';
import {
  NAME_CHARACTERS_MAX,
  PickleDict,
  PickleGlobal,
  PickleObject,
  PicklePersistent,
  PickleSequence,
  type PickleValue,
} from './pickle-value.js';
import { dictOf, entriesOf } from './torch-dict.js';
import { TorchNotes } from './torch-notes.js';
import { type TorchObject, type TorchPart, understandObject } from './torch-object.js';
import {
  isSameShape,
  readStorage,
  type TorchNumber,
  type TorchStorage,
  type TorchView,
} from './torch-tensor.js';

/** The keys that lead to a value: the first, or null at the root, and the others joined by dots. */
export interface Path {
  top: string | null;
  rest: string;
}

/** A tensor and the keys that lead to it. */
export interface FoundTensor extends Path {
  view: TorchView | TorchNumber;
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
  /** Warnings about tensors that are more than plain views. */
  notes: TorchNotes;
}

/** Memory of a tensor that was found, its view and its storage, until it is one of the layout. */
const FOUND_BYTES = 400;
/** What entering a container counts for. */
const CONTAINER_STEPS = 8;
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

/** Where a walk begins that is the whole file. */
export const ROOT: Path = { top: null, rest: '' };

/** The path that a name spells: its first key and the rest. */
export function pathOf(name: string): Path {
  const dot = name.indexOf('.');
  return dot < 0 ? { top: name, rest: '' } : { top: name.slice(0, dot), rest: name.slice(dot + 1) };
}

/**
 * @param path   where the value stands: names begin with it.
 * @param steps  counts the walk; memory for what is found is charged through it.
 * @throws {CorruptError} {LimitError}
 */
export function walkTorch(value: PickleValue, path: Path, steps: PickleSteps): TorchContent {
  const walk = new Walk(steps);
  walk.visit(value, path, 0);
  // In the memory that the walk was charged for: it has dropped its entries of the root.
  const dict = dictOf(value, steps);
  return { ...walk.found, root: dict && entriesOf(dict, steps) };
}

class Walk {
  readonly found: Omit<TorchContent, 'root'> = {
    tensors: [],
    storages: new Map(),
    foreign: [],
    notes: new TorchNotes(),
  };
  readonly #steps: PickleSteps;
  readonly #open = new Set<PickleValue>();
  readonly #foreign = new Set<string>();

  constructor(steps: PickleSteps) {
    this.#steps = steps;
  }

  visit(value: PickleValue, path: Path, depth: number): void {
    if (value instanceof PicklePersistent) {
      const storage = readStorage(value, this.#steps.file);
      if (storage) this.#storage(storage);
      return;
    }
    const isDict = value instanceof PickleDict;
    if (!isDict && !(value instanceof PickleSequence) && !(value instanceof PickleObject)) return;
    if (this.#open.has(value)) return;
    if (depth >= NESTING_MAX) throw this.#steps.limit('NESTING_MAX', NESTING_MAX);
    this.#steps.take(CONTAINER_STEPS);
    this.#open.add(value);
    if (value instanceof PickleSequence) this.#items(value.items, path, depth);
    else if (isDict) this.#dict(value, path, depth);
    else this.#object(value, path, depth);
    this.#open.delete(value);
  }

  #items(items: readonly PickleValue[], path: Path, depth: number): void {
    this.#steps.take(items.length);
    for (const [i, item] of items.entries()) {
      if (isOpen(item)) this.visit(item, below(path, String(i)), depth + 1);
    }
  }

  #dict(dict: PickleDict, path: Path, depth: number): void {
    // Entries by key, until all were visited.
    this.#steps.charge(CHARGES.entry * dict.keys.length);
    for (const [key, value] of entriesOf(dict, this.#steps)) {
      if (isOpen(value)) this.visit(value, below(path, key), depth + 1);
    }
  }

  #object(object: PickleObject, path: Path, depth: number): void {
    const meaning = understandObject(object, this.#steps);
    if (!this.#meaning(meaning, path, depth)) this.#otherObject(object, path, depth);
  }

  /** Takes what an object means; false if that is nothing known. */
  #meaning(meaning: TorchObject, path: Path, depth: number): boolean {
    const { notes } = this.found;
    switch (meaning.kind) {
      case 'view': {
        const place = meaning.lazy === '' ? path : below(path, meaning.lazy);
        if (meaning.lazy !== '') notes.add('lazy', nameOf(place));
        const { packed } = meaning.view;
        if (packed !== undefined) notes.add('packed', nameOf(place), packed);
        this.#view(meaning.view, place);
        return true;
      }
      case 'same':
        this.visit(meaning.value, path, depth + 1);
        this.#state(meaning.state, path, depth);
        return true;
      case 'typed': {
        const isKnown = this.#meaning(meaning.inner, path, depth);
        if (isKnown) this.#state(meaning.state, path, depth);
        return isKnown;
      }
      case 'parts':
        this.#steps.take(meaning.parts.length);
        notes.add(meaning.note, nameOf(path), meaning.detail);
        for (const part of meaning.parts) this.#part(part, path, depth);
        return true;
      case 'quantised':
        notes.add('quantised', nameOf(path), meaning.detail);
        this.#view(meaning.view, path);
        for (const part of meaning.parts) this.#part(part, path, depth);
        return true;
      case 'distributed':
        this.#distributed(meaning.local, meaning.shape, path, depth);
        return true;
      case 'opaque':
        notes.add('opaque', nameOf(path), meaning.what);
        // Its storages are data all the same.
        this.#items(meaning.inside, path, depth);
        return true;
      case 'other':
        return false;
    }
  }

  #view(view: TorchView, path: Path): void {
    this.#storage(view.storage);
    this.#tensor({ ...path, view });
  }

  #part([name, value]: TorchPart, path: Path, depth: number): void {
    const place = below(path, name);
    if (isNumber(value)) this.#tensor({ ...place, view: value });
    else this.visit(value, place, depth + 1);
  }

  /** A distributed tensor has the name of the whole only if the shard is the whole. */
  #distributed(local: PickleValue, shape: number[] | null, path: Path, depth: number): void {
    const meaning = local instanceof PickleObject ? understandObject(local, this.#steps) : null;
    const own = meaning?.kind === 'view' ? meaning.view.shape : null;
    const isWhole = own !== null && shape !== null && isSameShape(own, shape);
    if (!isWhole) {
      const all = shape === null ? '' : `of shape [${shape.join(', ')}]`;
      this.found.notes.add('shard', nameOf(path), all);
    }
    this.visit(local, isWhole ? path : below(path, '_local_tensor'), depth + 1);
  }

  #otherObject(object: PickleObject, path: Path, depth: number): void {
    const { name } = object;
    const isShort = name !== null && name.length <= NAME_CHARACTERS_MAX;
    if (!isShort || !FAMILIAR.test(name)) this.#note(name ?? 'a computed callable');
    const dict = dictOf(object, this.#steps);
    if (dict !== null) {
      this.#dict(dict, path, depth);
      return;
    }
    this.#items(object.args, path, depth);
    this.#items(object.items, path, depth);
    if (object.dict !== null) this.#dict(object.dict, path, depth);
    this.#steps.take(object.states.length);
    for (const state of object.states) this.#state(state, path, depth);
  }

  /** State of an object of an unknown class: a dict of attributes, or a tuple that holds one. */
  #state(state: PickleValue, path: Path, depth: number): void {
    if (state instanceof PickleSequence) {
      // Attributes and slots stand side by side.
      this.#steps.take(CONTAINER_STEPS + state.items.length);
      if (depth >= NESTING_MAX) throw this.#steps.limit('NESTING_MAX', NESTING_MAX);
      for (const item of state.items) {
        if (item instanceof PickleDict) this.#state(item, path, depth + 1);
        else this.visit(item, path, depth + 1);
      }
      return;
    }
    if (!(state instanceof PickleDict)) {
      this.visit(state, path, depth + 1);
      return;
    }
    this.#steps.take(CONTAINER_STEPS);
    if (this.#open.has(state)) return;
    const bytes = CHARGES.entry * state.keys.length;
    this.#steps.charge(bytes);
    this.#open.add(state);
    for (const [key, value] of entriesOf(state, this.#steps)) {
      const inner = MODULE_PARTS.has(key) ? path : below(path, key);
      if (isOpen(value)) this.visit(value, inner, depth + 1);
    }
    this.#open.delete(state);
    this.#steps.release(bytes);
  }

  #tensor(tensor: FoundTensor): void {
    const { tensors } = this.found;
    if (tensors.length >= TENSORS_PER_FILE_MAX) {
      throw this.#steps.limit('TENSORS_PER_FILE_MAX', TENSORS_PER_FILE_MAX);
    }
    const { top, rest, view } = tensor;
    // The names are joined later, each in memory of its own.
    const nameBytes = (top?.length ?? 0) + rest.length;
    const rank = view.storage === null ? 0 : view.shape.length;
    this.#steps.charge(FOUND_BYTES + nameBytes + 16 * rank);
    tensors.push(tensor);
  }

  #note(name: string): void {
    const shown = name.slice(0, NAME_CHARACTERS_MAX);
    if (this.#foreign.has(shown)) return;
    this.#foreign.add(shown);
    this.found.foreign.push(shown);
  }

  #storage(storage: TorchStorage): void {
    const known = this.found.storages.get(storage.key);
    if (known === undefined) {
      this.found.storages.set(storage.key, storage);
    } else if (known.className !== storage.className || known.count !== storage.count) {
      throw new CorruptError(
        `'${this.#steps.file}': storage '${storage.key}' is described in two ways`,
        {
          file: this.#steps.file,
        },
      );
    }
  }
}

function below({ top, rest }: Path, key: string): Path {
  if (top === null) return { top: key, rest };
  return { top, rest: rest === '' ? key : `${rest}.${key}` };
}

/** The keys that lead to a value, joined by dots. */
export function nameOf({ top, rest }: Path): string {
  if (top === null) return 'tensor';
  return rest === '' ? top : `${top}.${rest}`;
}

function isNumber(value: PickleValue | TorchNumber): value is TorchNumber {
  return typeof value === 'object' && value !== null && 'storage' in value;
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
