/**
 * Understands the objects by which PyTorch rebuilds tensors of every kind: which storages hold their
 * elements, and under which names those are shown.
 *
 * Structure only. A callable that is not in the tables below stays an object of which dlv knows the
 * name and nothing else. A tensor whose elements are not those of one storage is shown by its parts
 * or said to be opaque, never as something that it is not.
 */
import { CHARGES } from '../memory-budget.js';
import type { PickleSteps } from './pickle-steps.js';
import {
  NAME_CHARACTERS_MAX,
  PickleDict,
  PickleFloat,
  PickleGlobal,
  PickleObject,
  PickleSequence,
  type PickleValue,
  PlacedTuple,
} from './pickle-value.js';
import { entriesOf } from './torch-dict.js';
import type { NoteKind } from './torch-notes.js';
import { counts, readView, type TorchNumber, type TorchView } from './torch-tensor.js';

/** A part of a tensor under a name of its own. */
export type TorchPart = [name: string, value: PickleValue | TorchNumber];

/** What one object of the pickle is. */
export type TorchObject =
  /** @property lazy what PyTorch does to the elements when it reads them: '', 'conj', 'neg' or both. */
  | { kind: 'view'; view: TorchView; lazy: string }
  /** Another value stands for it. */
  | { kind: 'same'; value: PickleValue; state: PickleValue }
  /** An object with attributes of its own. */
  | { kind: 'typed'; inner: TorchObject; state: PickleValue }
  /** Tensors under names of their own, and the warning about them. */
  | { kind: 'parts'; parts: TorchPart[]; note: NoteKind; detail: string }
  /** Codes of a quantised tensor with its scales and zero points. */
  | { kind: 'quantised'; view: TorchView; parts: TorchPart[]; detail: string }
  /** A shard of a distributed tensor of this shape. */
  | { kind: 'distributed'; local: PickleValue; shape: number[] | null }
  /** A tensor that cannot be shown. */
  | { kind: 'opaque'; what: string; inside: readonly PickleValue[] }
  | { kind: 'other' };

/** An attribute in a list: a pair of its name and value, and the place of that. */
const ATTRIBUTE_BYTES = 48;
const OTHER: TorchObject = { kind: 'other' };
const COMPRESSED_ROWS = ['crow_indices', 'col_indices', 'values'];
const COMPRESSED_COLUMNS = ['ccol_indices', 'row_indices', 'values'];
const SPARSE_PARTS = new Map([
  ['torch.sparse_coo', ['indices', 'values']],
  ['torch.sparse_csr', COMPRESSED_ROWS],
  ['torch.sparse_bsr', COMPRESSED_ROWS],
  ['torch.sparse_csc', COMPRESSED_COLUMNS],
  ['torch.sparse_bsc', COMPRESSED_COLUMNS],
]);
const DISTRIBUTED = /^torch\.distributed\.(_tensor|tensor)\b.*\.DTensor$/;

/**
 * Says what `object` rebuilds.
 * @param steps counts the attributes and keywords that are looked at.
 * @throws {CorruptError} for a view that leaves its storage or has impossible numbers; {LimitError}.
 */
export function understandObject(object: PickleObject, steps: PickleSteps): TorchObject {
  return understandCall(object.callable, object.args, steps);
}

/** The name of a class or function, or nothing for what is none or is called like nothing known. */
function knownName(value: PickleValue | undefined): string {
  const isKnown = value instanceof PickleGlobal && value.name.length <= NAME_CHARACTERS_MAX;
  return isKnown ? value.name : '';
}

function understandCall(
  callable: PickleValue,
  args: readonly PickleValue[],
  steps: PickleSteps,
): TorchObject {
  const name = knownName(callable);
  switch (name) {
    case 'torch._utils._rebuild_tensor':
      return viewOf(args, {}, steps);
    case 'torch._utils._rebuild_tensor_v2':
      return viewOf(args, { metadata: args[6] ?? null }, steps);
    case 'torch._utils._rebuild_tensor_v3':
      return viewOf(args, { dtype: args[6] ?? null, metadata: args[7] ?? null }, steps);
    case 'torch._utils._rebuild_qtensor':
      return quantised(args, steps.file);
    case 'torch._utils._rebuild_parameter':
    case 'torch._utils._rebuild_parameter_with_state':
    case 'torch.nn.parameter.Parameter':
    case 'torch.nn.parameter.Buffer': {
      const state = name.endsWith('_with_state') ? (args[3] ?? null) : null;
      return args.length > 0 ? { kind: 'same', value: args[0] as PickleValue, state } : OTHER;
    }
    case 'torch._tensor._rebuild_from_type':
    case 'torch._tensor._rebuild_from_type_v2':
      return typed(args, steps);
    case 'torch._utils._rebuild_sparse_tensor':
    case 'torch._utils._rebuild_sparse_csr_tensor':
      return sparse(args);
    case 'torch._utils._rebuild_nested_tensor':
      return nested(args);
    case 'torch.nested._internal.nested_tensor._rebuild_njt':
      return jagged(args, steps);
    case 'torch._utils._rebuild_device_tensor_from_cpu_tensor':
      return { kind: 'same', value: args[0] ?? null, state: null };
    case 'torch._utils._rebuild_meta_tensor_no_storage':
      return { kind: 'opaque', what: 'a meta tensor has no values', inside: [] };
    case 'torch._utils._rebuild_wrapper_subclass':
      return { kind: 'opaque', what: 'its class keeps no elements', inside: [] };
    default: {
      const rebuild = /^torch\.(?:_utils|_tensor)\._rebuild_(\w+)$/.exec(name)?.[1];
      return rebuild === undefined ? OTHER : { kind: 'opaque', what: rebuild, inside: args };
    }
  }
}

interface ViewExtras {
  dtype?: PickleValue;
  metadata?: PickleValue;
}

function viewOf(args: readonly PickleValue[], extras: ViewExtras, steps: PickleSteps): TorchObject {
  const view = readView(args, extras.dtype ?? null, steps.file);
  if ('what' in view) return { kind: 'opaque', what: view.what, inside: args };
  const lazy = new Set<string>();
  if (extras.metadata instanceof PickleDict) {
    steps.take(extras.metadata.keys.length);
    for (const [i, key] of extras.metadata.keys.entries()) {
      if (extras.metadata.values[i] === false) continue;
      if (key === 'conj' || key === 'neg') lazy.add(key);
      else {
        const what = typeof key === 'string' ? `'${key}'` : 'that is not text';
        return { kind: 'opaque', what: `a view of the kind ${what}`, inside: args };
      }
    }
  }
  return { kind: 'view', view, lazy: [...lazy].sort().join('.') };
}

function quantised(args: readonly PickleValue[], file: string): TorchObject {
  const view = readView(args, null, file);
  const parameters = args[4];
  const items = parameters instanceof PickleSequence ? parameters.items : [];
  const scheme = knownName(items[0]);
  if (/^torch\.per_channel_affine/.test(scheme)) {
    const parts: TorchPart[] = [
      ['scales', items[1] ?? null],
      ['zero_points', items[2] ?? null],
    ];
    if (!('what' in view)) return { kind: 'quantised', view, parts, detail: '' };
    const codes: TorchPart = ['codes', args[0] ?? null];
    return { kind: 'parts', parts: [codes, ...parts], note: 'opaque', detail: view.what };
  }
  if ('what' in view) return { kind: 'opaque', what: view.what, inside: args };
  if (!(parameters instanceof PlacedTuple) || scheme !== 'torch.per_tensor_affine') {
    return { kind: 'opaque', what: 'a scheme of quantisation that is not known', inside: args };
  }
  const scale = floatAt(items[1] ?? null);
  const zeroPoint = integerAt(parameters.places[2] ?? null, items[2] ?? null);
  if (scale === null || zeroPoint === null) {
    return { kind: 'quantised', view, parts: [], detail: 'scale and zero point are not shown' };
  }
  const parts: TorchPart[] = [
    ['scale', scale],
    ['zero_point', zeroPoint],
  ];
  return { kind: 'quantised', view, parts, detail: '' };
}

/** A float of the pickle as a tensor without dimensions; null if it is written as text. */
function floatAt(value: PickleValue): TorchNumber | null {
  if (!(value instanceof PickleFloat) || value.offset < 0) return null;
  return { storage: null, dtype: 'F64', offset: value.offset, byteSwap: true };
}

/** The same for an integer: the forms of 1 and 2 bytes have no sign. */
function integerAt(place: PlacedTuple['places'][0], value: PickleValue): TorchNumber | null {
  if (place === null || typeof value !== 'number') return null;
  const dtype = place.length === 1 ? 'U8' : place.length === 2 ? 'U16' : 'I32';
  return { storage: null, dtype, offset: place.offset, byteSwap: false };
}

/** An object of a subclass: what it wraps, with the attributes that it was given. */
function typed(args: readonly PickleValue[], steps: PickleSteps): TorchObject {
  const [inner, , innerArgs, state = null] = args;
  // Only one level: a constructor that wraps itself says nothing.
  const wraps = inner instanceof PickleGlobal && inner.name.startsWith('torch._tensor.');
  if (wraps || !(innerArgs instanceof PickleSequence)) return OTHER;
  const { items } = innerArgs;
  if (!(inner instanceof PickleGlobal) || !inner.name.endsWith('._rebuild_wrapper_subclass')) {
    const meaning = understandCall(inner ?? null, items, steps);
    // What a nested tensor is made of is in its state once more.
    return meaning.kind === 'parts' ? meaning : { kind: 'typed', inner: meaning, state };
  }
  const className = items[0] instanceof PickleGlobal ? items[0].name : 'a class that is not known';
  const attributes = attributesOf(state, steps);
  const local = attributes.find(([key]) => key === '_local_tensor')?.[1];
  if (DISTRIBUTED.test(knownName(items[0])) && local !== undefined) {
    return { kind: 'distributed', local, shape: counts(items[2]) };
  }
  return attributes.length === 0
    ? { kind: 'opaque', what: className, inside: [] }
    : { kind: 'parts', parts: attributes, note: 'wrapped', detail: className };
}

/** Attributes of an object: a dict, or a tuple of those of its class with and without slots. */
function attributesOf(state: PickleValue, steps: PickleSteps): [string, PickleValue][] {
  const dicts = state instanceof PickleSequence ? state.items : [state];
  steps.take(dicts.length);
  return dicts.flatMap((dict) => {
    if (!(dict instanceof PickleDict)) return [];
    steps.charge((CHARGES.entry + ATTRIBUTE_BYTES) * dict.keys.length);
    return [...entriesOf(dict, steps)];
  });
}

function sparse(args: readonly PickleValue[]): TorchObject {
  const [layout, data] = args;
  const name =
    layout instanceof PickleObject && layout.name === 'torch.serialization._get_layout'
      ? layout.args[0]
      : layout instanceof PickleGlobal
        ? layout.name
        : null;
  const names = typeof name === 'string' ? SPARSE_PARTS.get(name) : undefined;
  if (names === undefined || !(data instanceof PickleSequence)) {
    return { kind: 'opaque', what: 'a sparse layout that is not known', inside: args };
  }
  const shape = counts(data.items[names.length]);
  const kind = (name as string).slice('torch.sparse_'.length).toUpperCase();
  return {
    kind: 'parts',
    parts: names.map((part, i) => [part, data.items[i] ?? null]),
    note: 'sparse',
    detail: shape === null ? kind : `${kind} of shape [${shape.join(', ')}]`,
  };
}

function nested(args: readonly PickleValue[]): TorchObject {
  const names = ['values', 'sizes', 'strides', 'offsets'];
  return {
    kind: 'parts',
    parts: names.map((name, i) => [name, args[i] ?? null]),
    note: 'nested',
    detail: '',
  };
}

/** A nested tensor of jagged layout; its call has one dict of keyword arguments. */
function jagged(args: readonly PickleValue[], steps: PickleSteps): TorchObject {
  const [given] = args;
  if (!(given instanceof PickleDict)) {
    return { kind: 'opaque', what: 'a nested tensor of a form that is not known', inside: args };
  }
  const names = ['values', 'offsets', 'lengths'];
  const found = new Map<PickleValue, PickleValue>();
  steps.take(given.keys.length);
  for (const [i, key] of given.keys.entries()) {
    if (typeof key === 'string' && names.includes(key)) found.set(key, given.values[i] ?? null);
  }
  const parts = names.map((name): TorchPart => [name, found.get(name) ?? null]);
  return { kind: 'parts', parts, note: 'nested', detail: 'jagged' };
}
