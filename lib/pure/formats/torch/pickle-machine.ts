/**
 * The stack, the memo and the input of a pickle; `pickle.ts` has the opcodes that work on them.
 *
 * Every length is checked against the bytes that remain, every value is charged to one budget.
 */

import { ByteReader } from '../../../base/bytes/reader.js';
import { CorruptError, LimitError } from '../../../base/errors.js';
import { PICKLE_MEMORY_BYTES_MAX } from '../../../base/limits.js';
import { PickleDict, PickleObject, PickleSequence, type PickleValue } from './pickle-value.js';

/** What small values, containers and entries of the memo take, roughly. */
const VALUE_BYTES = 16;
const CONTAINER_BYTES = 96;
const MEMO_BYTES = 48;
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
  readonly memo = new Map<number, PickleValue>();
  /** Numbers that training changes; null once there are too many. */
  numbers: NumberRange[] | null = [];
  #charged = 0;

  /** @param file named in errors. */
  constructor(bytes: Uint8Array, file: string) {
    this.input = new ByteReader(bytes, file);
  }

  corrupt(what: string): CorruptError {
    const { file, offset } = this.input;
    return new CorruptError(`'${file}': the pickle is damaged at its byte ${offset}: ${what}`, {
      file,
      offset,
    });
  }

  /** @throws {LimitError} once the values take more than PICKLE_MEMORY_BYTES_MAX. */
  charge(bytes: number): void {
    this.#charged += bytes;
    if (this.#charged > PICKLE_MEMORY_BYTES_MAX) {
      throw new LimitError(`'${this.input.file}': the pickle has too many values`, {
        file: this.input.file,
        limit: 'PICKLE_MEMORY_BYTES_MAX',
        max: PICKLE_MEMORY_BYTES_MAX,
      });
    }
  }

  push(value: PickleValue): void {
    this.charge(VALUE_BYTES);
    this.origins[this.stack.length] = -1;
    this.stack.push(value);
  }

  /** Pushes an integer whose opcode is at `origin`. */
  pushInteger(value: number | bigint, origin: number): void {
    this.push(value);
    this.origins[this.stack.length - 1] = origin;
  }

  pushSequence(kind: PickleSequence['kind'], items: PickleValue[]): void {
    this.charge(CONTAINER_BYTES + 8 * items.length);
    this.push(new PickleSequence(kind, items));
  }

  pushDict(): PickleDict {
    this.charge(2 * CONTAINER_BYTES);
    const dict = new PickleDict();
    this.push(dict);
    return dict;
  }

  pushObject(callable: PickleValue, args: PickleValue[]): void {
    this.charge(5 * CONTAINER_BYTES);
    this.push(new PickleObject(callable, args));
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

  remember(index: number): void {
    this.charge(MEMO_BYTES);
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw this.corrupt(`nothing was memorized as ${index}`);
    this.push(value);
  }

  /** Notes a number that may differ from checkpoint to checkpoint. */
  note(offset: number, length: number, fixedLength: boolean): void {
    this.numbers?.push({ offset, length, fixedLength });
    if (this.numbers !== null && this.numbers.length > NUMBERS_MAX) this.numbers = null;
  }

  /** Adds key–value pairs to the dict or object on top. `base` is the place of the first on the stack. */
  setItems(pairs: readonly PickleValue[], base: number): void {
    if (pairs.length % 2 !== 0) throw this.corrupt('a key has no value');
    const target = this.top();
    const dict = target instanceof PickleObject ? target.dict : target;
    if (!(dict instanceof PickleDict)) throw this.corrupt('items are set in what is no dict');
    this.charge(8 * pairs.length);
    for (let i = 0; i < pairs.length; i += 2) {
      dict.keys.push(pairs[i] as PickleValue);
      dict.values.push(pairs[i + 1] as PickleValue);
      const origin = this.origins[base + i + 1] ?? -1;
      if (origin >= 0) this.note(origin, integerBytes(this.input.bytes, origin), false);
    }
  }

  /** Adds items to the list, set or object on top. */
  extend(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof PickleObject) && !(target instanceof PickleSequence)) {
      throw this.corrupt('items are added to what is no list');
    }
    if (target instanceof PickleSequence && target.kind === 'tuple') {
      throw this.corrupt('items are added to a tuple');
    }
    this.charge(8 * items.length);
    for (const item of items) target.items.push(item);
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
    this.charge(2 * length + VALUE_BYTES);
    return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString(encoding);
  }
}

/** Bytes of BININT1, BININT2 and BININT with their opcode. */
function integerBytes(bytes: Uint8Array, origin: number): number {
  const opcode = bytes[origin];
  if (opcode === 0x4b) return 1 + 1;
  return opcode === 0x4d ? 1 + 2 : 1 + 4;
}
