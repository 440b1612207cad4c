/**
 * The values that a pickle describes. Containers are shared where the pickle shares them, so a value
 * is a graph and may have cycles; nothing here is ever called.
 */

/** Integers are numbers while exact, else bigints; floats are boxed, so that 1.0 is not an integer. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleFloat
  | PickleSequence
  | PickleDict
  | PickleGlobal
  | PickleObject
  | PicklePersistent;

/** Shared by all that hold nothing yet: most objects of a pickle have neither items nor states. */
const NOTHING: PickleValue[] = [];
Object.freeze(NOTHING);

export class PickleFloat {
  readonly value: number;
  /** Where its 8 bytes are in the pickle, big-endian; −1 if it is written as text. */
  readonly offset: number;
  constructor(value: number, offset = -1) {
    this.value = value;
    this.offset = offset;
  }
}

/** A list, tuple, set or frozenset; sets keep the order of the pickle. */
export class PickleSequence {
  readonly kind: 'list' | 'tuple' | 'set';
  items: PickleValue[];
  constructor(kind: 'list' | 'tuple' | 'set', items: PickleValue[]) {
    this.kind = kind;
    this.items = items;
  }
}

/**
 * A tuple of three that begins with a global, as the parameters of a quantised tensor do. It also
 * says where in the pickle each integer of 1, 2 or 4 bytes stands; null for any other item.
 */
export class PlacedTuple extends PickleSequence {
  readonly places: readonly ({ offset: number; length: number } | null)[];
  constructor(items: PickleValue[], places: PlacedTuple['places']) {
    super('tuple', items);
    this.places = places;
  }
}

/** Entries in the order of the pickle; a key may stand twice, the later one counts. */
export class PickleDict {
  keys: PickleValue[] = NOTHING;
  values: PickleValue[] = NOTHING;
}

/** Longer than any name of a class or key of a storage that is known here: such a name is not looked at,
 *  for a pickle can refer to it again and again. */
export const NAME_CHARACTERS_MAX = 256;

/** The name of a class, function or constant: only its name. */
export class PickleGlobal {
  readonly name: string;
  /** @param name `module.name`. */
  constructor(name: string) {
    this.name = name;
  }
}

/** What a call or an instantiation would make: by whom, from what, with which state and items. */
export class PickleObject {
  readonly callable: PickleValue;
  /** Arguments of the call; keyword arguments, if any, are one more dict behind them. */
  readonly args: PickleValue[];
  /** Arguments of BUILD, in order. */
  states: PickleValue[] = NOTHING;
  /** What APPEND(S) and ADDITEMS gave. */
  items: PickleValue[] = NOTHING;
  /** What SETITEM(S) gave, or null if there was none. */
  dict: PickleDict | null = null;
  constructor(callable: PickleValue, args: PickleValue[]) {
    this.callable = callable;
    this.args = args;
  }

  /** `module.name` of the callable, or null if it is not a global. */
  get name(): string | null {
    return this.callable instanceof PickleGlobal ? this.callable.name : null;
  }
}

/** A reference to something outside the pickle: a storage, in a PyTorch file. */
export class PicklePersistent {
  readonly id: PickleValue;
  constructor(id: PickleValue) {
    this.id = id;
  }
}
