/**
 * The stack, the memo and the input of a pickle; `pickle.ts` has the opcodes that work on them.
 *
 * Every length is checked against the bytes that remain, every value is charged to one budget.
 */
import { ByteReader } from '../../../base/bytes/reader.js';
import { CorruptError } from '../../../base/errors.js';
import { CHARGES, type MemoryBudget } from '../memory-budget.js';
import {
  PickleDict,
  PickleGlobal,
  PickleObject,
  PickleSequence,
  type PickleValue,
  PlacedTuple,
} from './pickle-value.js';

/** A place of the stack or of the marks, in arrays that are copied when they grow. */
const PLACE_BYTES = 40;
/** A sequence, a dict and an object without what they hold. */
const SEQUENCE_BYTES = 88;
const DICT_BYTES = 40;
const OBJECT_BYTES = 64;
/** What an array keeps free when a second item is pushed, and the room for each further one. */
const SPARE_BYTES = 136;
const ITEM_BYTES = 12;
/** An entry of the memo, where the indices of a pickle leave no gaps and where they do. */
const MEMO_BYTES = 9;
const SPARSE_MEMO_BYTES = 60;
/** A page of the memo: pages are never copied, as one array that grows would be. */
const MEMO_PAGE = 1024;
/** Objects of one class have dicts of the same keys: up to this many keys, each so long, are kept once. */
const SHARED_KEYS_MAX = 16;
const SHARED_KEY_CHARACTERS_MAX = 64;
/** More numbers than this are no longer told apart: the whole pickle counts as one of them. */
const NUMBERS_MAX = 4096;

/** A byte range of the pickle that holds a number. */
export interface NumberRange {
  offset: number;
  length: number;
  /** False if a larger number needs another opcode. */
  fixedLength: boolean;
}

export class PickleMachine {
  readonly input: ByteReader;
  readonly stack: PickleValue[] = [];
  /** Opcode offset of the integer at that place of the stack, or −1. */
  readonly origins: number[] = [];
  readonly marks: number[] = [];
  /** Numbers that training changes; null once there are too many. */
  numbers: NumberRange[] | null = [];
  readonly #memo: PickleValue[][] = [];
  #memorized = 0;
  /** Keys of the last dict with so many, frozen once another dict has them too. */
  readonly #lastKeys: PickleValue[][] = [];
  /** What was memorized out of order. */
  readonly #sparseMemo = new Map<number, PickleValue>();
  readonly #budget: MemoryBudget;
  /** Most places that the stack and the marks had. */
  #stackHigh = 0;
  #marksHigh = 0;

  /** @param file named in errors. @param budget charged for every value. */
  constructor(bytes: Uint8Array, file: string, budget: MemoryBudget) {
    this.input = new ByteReader(bytes, file);
    this.#budget = budget;
  }

  corrupt(what: string): CorruptError {
    const { file, offset } = this.input;
    return new CorruptError(`'${file}': the pickle is damaged at its byte ${offset}: ${what}`, {
      file,
      offset,
    });
  }

  /** @throws {LimitError} once the values take more memory than the pickle's size explains. */
  charge(bytes: number): void {
    this.#budget.charge(bytes);
  }

  push(value: PickleValue): void {
    this.origins[this.stack.length] = -1;
    this.stack.push(value);
    if (this.stack.length <= this.#stackHigh) return;
    this.#stackHigh = this.stack.length;
    this.charge(PLACE_BYTES);
  }

  /** Pushes an integer whose opcode is at `origin`. */
  pushInteger(value: number | bigint, origin: number): void {
    this.push(value);
    this.origins[this.stack.length - 1] = origin;
  }

  pushSequence(kind: PickleSequence['kind'], items: PickleValue[]): void {
    this.charge(SEQUENCE_BYTES + 8 * items.length);
    this.push(new PickleSequence(kind, items));
  }

  /** Pops three values and pushes a tuple of them. */
  pushTriple(): void {
    const base = this.stack.length - 3;
    const items = this.popItems(3);
    if (!(items[0] instanceof PickleGlobal)) {
      this.pushSequence('tuple', items);
      return;
    }
    const places = this.origins.slice(base, base + 3).map((origin) => {
      if (origin < 0) return null;
      return { offset: origin + 1, length: integerBytes(this.input.bytes, origin) - 1 };
    });
    this.charge(2 * SEQUENCE_BYTES + 3 * (2 * 8 + PLACE_BYTES));
    this.push(new PlacedTuple(items, places));
  }

  pushDict(): PickleDict {
    this.charge(DICT_BYTES);
    const dict = new PickleDict();
    this.push(dict);
    return dict;
  }

  pushObject(callable: PickleValue, args: PickleValue[]): void {
    this.charge(OBJECT_BYTES);
    this.push(new PickleObject(callable, args));
  }

  mark(): void {
    this.marks.push(this.stack.length);
    if (this.marks.length <= this.#marksHigh) return;
    this.#marksHigh = this.marks.length;
    this.charge(PLACE_BYTES);
  }

  /** Values below the last mark belong to an outer container and cannot be popped. */
  pop(): PickleValue {
    this.#need(1);
    return this.stack.pop() as PickleValue;
  }

  top(): PickleValue {
    this.#need(1);
    return this.stack.at(-1) as PickleValue;
  }

  #need(count: number): void {
    if (this.stack.length - (this.marks.at(-1) ?? 0) < count)
      throw this.corrupt('its stack is empty');
  }

  popItems(count: number): PickleValue[] {
    this.#need(count);
    return this.stack.splice(this.stack.length - count, count);
  }

  /** Pops all above the last mark, and the mark. */
  popMark(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw this.corrupt('there is no mark on its stack');
    return this.stack.splice(mark);
  }

  /** Memorizes the value on top under the next free index. */
  rememberNext(): void {
    this.remember(this.#memorized + this.#sparseMemo.size);
  }

  remember(index: number): void {
    const value = this.top();
    const [page, place] = [Math.floor(index / MEMO_PAGE), index % MEMO_PAGE];
    if (index < this.#memorized) (this.#memo[page] as PickleValue[])[place] = value;
    else if (index === this.#memorized) {
      this.charge(MEMO_BYTES);
      if (place === 0) this.#memo.push([]);
      this.#memo[page]?.push(value);
      this.#memorized++;
      this.#sparseMemo.delete(index);
    } else {
      this.charge(SPARSE_MEMO_BYTES);
      this.#sparseMemo.set(index, value);
    }
  }

  recall(index: number): void {
    const page = index < this.#memorized ? this.#memo[Math.floor(index / MEMO_PAGE)] : undefined;
    const value = page === undefined ? this.#sparseMemo.get(index) : page[index % MEMO_PAGE];
    // null is a value that can be memorized.
    if (value === undefined) throw this.corrupt(`nothing was memorized as ${index}`);
    this.push(value);
  }

  /** Notes a number that may differ from checkpoint to checkpoint. */
  note(offset: number, length: number, fixedLength: boolean): void {
    this.numbers?.push({ offset, length, fixedLength });
    if (this.numbers !== null && this.numbers.length > NUMBERS_MAX) this.numbers = null;
  }

  /** Notes an integer by the place of its opcode. */
  noteInteger(origin: number): void {
    this.note(origin, integerBytes(this.input.bytes, origin), false);
  }

  /** Adds key–value pairs to the dict or object on top. `base` is the place of the first on the stack. */
  setItems(pairs: readonly PickleValue[], base: number): void {
    if (pairs.length % 2 !== 0) throw this.corrupt('a key has no value');
    const dict = this.#dictOnTop();
    const count = pairs.length / 2;
    const keys = new Array<PickleValue>(count);
    const values = new Array<PickleValue>(count);
    for (let i = 0; i < count; i++) {
      keys[i] = pairs[2 * i] as PickleValue;
      values[i] = pairs[2 * i + 1] as PickleValue;
      const origin = this.origins[base + 2 * i + 1] ?? -1;
      if (origin >= 0) this.noteInteger(origin);
    }
    dict.keys = this.#joinedKeys(dict.keys, keys);
    dict.values = this.#joined(dict.values, values);
  }

  #dictOnTop(): PickleDict {
    const target = this.top();
    if (target instanceof PickleDict) return target;
    if (!(target instanceof PickleObject)) {
      throw this.corrupt('items are set in what is not a dict');
    }
    if (target.dict === null) {
      this.charge(DICT_BYTES);
      target.dict = new PickleDict();
    }
    return target.dict;
  }

  /** Adds items to the list, set or object on top, which may keep the array. */
  extend(items: PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof PickleObject) && !(target instanceof PickleSequence)) {
      throw this.corrupt('items are added to what is not a list');
    }
    if (target instanceof PickleSequence && target.kind === 'tuple') {
      throw this.corrupt('items are added to a tuple');
    }
    target.items = this.#joined(target.items, items);
  }

  /** Gives the object on top a state. */
  addState(state: PickleValue): void {
    const target = this.top();
    if (!(target instanceof PickleObject)) {
      throw this.corrupt('a state is given to what is not an object');
    }
    target.states = this.#joined(target.states, [state]);
  }

  /** As `#joined`; keys that the last dict of this size had as well are that one's. */
  #joinedKeys(keys: PickleValue[], more: PickleValue[]): PickleValue[] {
    if (keys.length > 0) {
      // Shared keys are copied before more are added.
      const own = Object.isFrozen(keys) ? this.#joined([], [...keys]) : keys;
      return this.#joined(own, more);
    }
    const last = this.#lastKeys[more.length];
    if (last !== undefined && last.length === more.length && last.every((k, i) => k === more[i])) {
      return Object.freeze(last) as PickleValue[];
    }
    const joined = this.#joined(keys, more);
    if (more.every(isShortText) && more.length <= SHARED_KEYS_MAX) {
      this.#lastKeys[more.length] = joined;
    }
    return joined;
  }

  /** `more` itself where there was nothing, so that it takes no more room than it needs. */
  #joined(items: PickleValue[], more: PickleValue[]): PickleValue[] {
    if (items.length === 0) {
      this.charge(16 + 32 + 8 * more.length);
      return more;
    }
    this.charge(ITEM_BYTES * more.length + (items.length === 1 ? SPARE_BYTES : 0));
    for (const item of more) items.push(item);
    return items;
  }

  /** A line without its end. @param encoding Latin-1 for the text opcodes of protocol 0. */
  line(what: string, encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const { bytes, offset } = this.input;
    const end = bytes.indexOf(0x0a, offset);
    if (end < 0) this.input.need(this.input.remaining + 1, what);
    const text = this.text(end - offset, what, encoding);
    this.input.offset++;
    return text;
  }

  /** The next `length` bytes as text; UTF-8 that is malformed becomes U+FFFD. */
  text(length: number, what: string, encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const bytes = this.input.take(length, what);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString(encoding);
    // One byte for each character, unless one of them needs two.
    this.charge(CHARGES.text + (text.length === length ? length : 2 * text.length));
    return text;
  }
}

function isShortText(value: PickleValue): boolean {
  return typeof value === 'string' && value.length <= SHARED_KEY_CHARACTERS_MAX;
}

/** Bytes of BININT1, BININT2 and BININT with their opcode. */
function integerBytes(bytes: Uint8Array, origin: number): number {
  const opcode = bytes[origin];
  if (opcode === 0x4b) return 1 + 1;
  return opcode === 0x4d ? 1 + 2 : 1 + 4;
}
