/**
 * Reads a pickle as data: protocols 0 to 5, every opcode that builds values, none that runs code.
 *
 * A pickle is a program for a stack machine whose REDUCE, NEWOBJ and BUILD would call what GLOBAL
 * names. Here they make a `PickleObject`, which only says what would be called with which arguments;
 * torch-tensor.ts knows the structure of the few callables that matter. Start at `parsePickle`.
 *
 * @see the module pickletools of Python's standard library for the opcodes.
 */
import { LimitError } from '../../../base/errors.js';
import { PICKLE_BYTES_MAX, PICKLE_OPS_MAX } from '../../../base/limits.js';
import { CHARGES, type MemoryBudget } from '../memory-budget.js';
import { type NumberRange, PickleMachine } from './pickle-machine.js';
import {
  PickleFloat,
  PickleGlobal,
  PicklePersistent,
  PickleSequence,
  type PickleValue,
} from './pickle-value.js';

/** Longest line that is a number in text: more than Python writes for any that is read here. */
const NUMBER_TEXT_MAX = 2500;
/** Longest integer: no real pickle has one above 64 bits, and their conversion is not linear. */
const INTEGER_BYTES_MAX = 1024;
const STOP = 0x2e;
const PROTOCOL_MAX = 5;

/** A boxed float; the name of a global, joined from the two texts that are charged apart. */
const FLOAT_BYTES = 56;
const GLOBAL_BYTES = 32 + 32;

/** A pickle as data. */
export interface Pickle {
  value: PickleValue;
  /** Floats, and integers that are values of dicts (steps, epochs, rates), sorted by offset in the
   *  pickle; null if there are too many to tell apart. */
  numbers: NumberRange[] | null;
  /** Bytes of the program; what follows STOP is not read. */
  length: number;
}

/**
 * Parses one pickle.
 *
 * @param bytes   kept by byte strings of the result.
 * @param file    named in errors.
 * @param budget  charged for the values; it has been granted the bytes.
 * @throws {CorruptError} DLV_CORRUPT for an unknown opcode, a stack underflow, a value of the wrong
 * kind, out-of-band buffers and extension codes; {TruncatedError} if a length goes beyond the end or
 * there is no STOP; {LimitError} beyond the bounds on bytes, opcodes, memory and integers.
 */
export function parsePickle(bytes: Uint8Array, file: string, budget: MemoryBudget): Pickle {
  if (bytes.length > PICKLE_BYTES_MAX) {
    throw limit(file, 'PICKLE_BYTES_MAX', bytes.length, PICKLE_BYTES_MAX);
  }
  const machine = new PickleMachine(bytes, file, budget);
  const { input } = machine;
  for (let steps = 0; ; steps++) {
    if (steps >= PICKLE_OPS_MAX) throw limit(file, 'PICKLE_OPS_MAX', steps, PICKLE_OPS_MAX);
    const code = input.u8('opcode');
    if (code === STOP) break;
    const run = OPCODES[code];
    if (run === undefined) throw machine.corrupt(`opcode 0x${code.toString(16)} is not read`);
    run(machine);
  }
  // A pickle that is one integer, as the step in a distributed checkpoint.
  const origin = machine.origins[machine.stack.length - 1] ?? -1;
  const value = machine.pop();
  if (typeof value === 'number' && origin >= 0) machine.noteInteger(origin);
  const numbers = machine.numbers?.sort((a, b) => a.offset - b.offset) ?? null;
  return { value, numbers: numbers && withoutOverlap(numbers), length: input.offset };
}

/** An integer can be noted once for each container that it was set in. */
function withoutOverlap(sorted: readonly NumberRange[]): NumberRange[] {
  let end = 0;
  return sorted.filter((range) => {
    if (range.offset < end) return false;
    end = range.offset + range.length;
    return true;
  });
}

function limit(file: string, name: string, value: number, max: number): LimitError {
  return new LimitError(`'${file}': a pickle of ${value}, more than ${max} (${name})`, {
    file,
    limit: name,
    value,
    max,
  });
}

/** A line that is a number: no pattern is tried on one that is far too long. */
function numberLine(m: PickleMachine, what: string): string {
  const line = m.line(what).trim();
  if (line.length > NUMBER_TEXT_MAX) throw m.corrupt(`${what} of ${line.length} characters`);
  return line;
}

/** What most objects are made from: nothing. Nobody can add to a tuple, so one is enough. */
const EMPTY_TUPLE = new PickleSequence('tuple', []);
Object.freeze(EMPTY_TUPLE.items);
Object.freeze(EMPTY_TUPLE);

type Opcode = (m: PickleMachine) => void;
const OPCODES: (Opcode | undefined)[] = new Array(256).fill(undefined);

/** Gives opcodes, by character or number, their meaning. */
function define(entries: Record<string, Opcode>): void {
  for (const [key, run] of Object.entries(entries)) {
    OPCODES[key.length === 1 ? key.charCodeAt(0) : Number(key)] = run;
  }
}

/** A length of 8 bytes. Too large a number is no more than a length beyond the end. */
function length8(m: PickleMachine, what: string): number {
  const low = m.input.u32(what);
  const length = low + 2 ** 32 * m.input.u32(what);
  m.input.need(length, what);
  return length;
}

function asText(m: PickleMachine, value: PickleValue, what: string): string {
  if (typeof value !== 'string') throw m.corrupt(`${what} is not text`);
  return value;
}

// Protocol and framing.
define({
  '0x80': (m) => {
    const version = m.input.u8('protocol');
    if (version > PROTOCOL_MAX) throw m.corrupt(`protocol ${version}`);
  },
  '0x95': (m) => void length8(m, 'frame'),
});

// Numbers, None, booleans.
const int = (read: (m: PickleMachine) => number): Opcode => {
  return (m) => {
    const origin = m.input.offset - 1;
    m.pushInteger(read(m), origin);
  };
};
define({
  N: (m) => m.push(null),
  '0x88': (m) => m.push(true),
  '0x89': (m) => m.push(false),
  J: int((m) => m.input.u32('integer') | 0),
  K: int((m) => m.input.u8('integer')),
  M: int((m) => m.input.u16('integer')),
  '0x8a': (m) => m.push(longOf(m, m.input.u8('integer length'))),
  '0x8b': (m) => m.push(longOf(m, m.input.u32('integer length'))),
  I: (m) => {
    const line = numberLine(m, 'integer');
    m.push(line === '00' ? false : line === '01' ? true : decimal(m, line));
  },
  L: (m) => m.push(decimal(m, numberLine(m, 'integer').replace(/L$/, ''))),
  F: (m) => {
    const line = numberLine(m, 'float');
    if (!/^[-+]?(\d+(\.\d*)?([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|inf|nan)$/.test(line)) {
      throw m.corrupt('a float is not a number');
    }
    m.charge(FLOAT_BYTES);
    const unsigned = line.replace(/^[-+]/, '').replace('inf', 'Infinity').replace('nan', 'NaN');
    m.push(new PickleFloat((line.startsWith('-') ? -1 : 1) * Number(unsigned)));
  },
  G: (m) => {
    const { offset } = m.input;
    m.note(offset, 8, true);
    const bytes = m.input.take(8, 'float');
    m.charge(FLOAT_BYTES);
    m.push(new PickleFloat(new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0), offset));
  },
});

/** A little-endian two's-complement integer of `length` bytes. */
function longOf(m: PickleMachine, length: number): number | bigint {
  m.input.need(length, 'integer');
  if (length > INTEGER_BYTES_MAX) {
    throw limit(m.input.file, 'bytes of an integer', length, INTEGER_BYTES_MAX);
  }
  const bytes = m.input.take(length, 'integer');
  m.charge(CHARGES.text + length);
  const hex = Buffer.from(bytes).reverse().toString('hex');
  return exact(hex === '' ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${hex}`)));
}

function decimal(m: PickleMachine, line: string): number | bigint {
  if (!/^[-+]?\d{1,2400}$/.test(line)) throw m.corrupt('an integer is not a number');
  m.charge(line.length);
  return exact(BigInt(line.startsWith('+') ? line.slice(1) : line));
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

// Text and bytes.
const bytesOf = (length: (m: PickleMachine) => number): Opcode => {
  return (m) => {
    const bytes = m.input.take(length(m), 'bytes');
    m.charge(128);
    m.push(bytes);
  };
};
const textOf = (length: (m: PickleMachine) => number): Opcode => {
  return (m) => m.push(m.text(length(m), 'text'));
};
define({
  B: bytesOf((m) => m.input.u32('bytes length')),
  C: bytesOf((m) => m.input.u8('bytes length')),
  '0x8e': bytesOf((m) => length8(m, 'bytes')),
  '0x96': bytesOf((m) => length8(m, 'bytes')),
  T: textOf((m) => m.input.u32('text length')),
  U: textOf((m) => m.input.u8('text length')),
  X: textOf((m) => m.input.u32('text length')),
  '0x8c': textOf((m) => m.input.u8('text length')),
  '0x8d': textOf((m) => length8(m, 'text')),
  S: (m) => m.push(unquote(m, m.line('text', 'latin1'))),
  V: (m) => {
    const line = m.line('text', 'latin1');
    m.push(
      wellFormed(
        line.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (all, short, long) => {
          const code = Number.parseInt(short ?? long, 16);
          return code <= 0x10ffff ? String.fromCodePoint(code) : all;
        }),
      ),
    );
  },
});

/** Halves of surrogate pairs become U+FFFD: names must be Unicode that UTF-8 can hold. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** The text of a Python 2 string literal in quotes. */
function unquote(m: PickleMachine, line: string): string {
  const quoted = /^\s*(['"])(.*)\1\s*$/s.exec(line);
  if (!quoted) throw m.corrupt('a text has no quotes');
  const named: Record<string, string> = { n: '\n', t: '\t', r: '\r' };
  return (quoted[2] as string).replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_, escaped: string) => {
    if (escaped.length === 3) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return named[escaped] ?? escaped;
  });
}

// Containers.
define({
  '(': (m) => m.mark(),
  '0': (m) => {
    // Pops a mark where there is nothing above it.
    if (m.marks.length > 0 && m.marks.at(-1) === m.stack.length) m.marks.pop();
    else m.pop();
  },
  '1': (m) => void m.popMark(),
  '2': (m) => m.push(m.top()),
  ']': (m) => m.pushSequence('list', []),
  l: (m) => m.pushSequence('list', m.popMark()),
  ')': (m) => m.push(EMPTY_TUPLE),
  t: (m) => m.pushSequence('tuple', m.popMark()),
  '0x85': (m) => m.pushSequence('tuple', m.popItems(1)),
  '0x86': (m) => m.pushSequence('tuple', m.popItems(2)),
  '0x87': (m) => m.pushTriple(),
  '0x8f': (m) => m.pushSequence('set', []),
  '0x91': (m) => m.pushSequence('set', m.popMark()),
  '}': (m) => void m.pushDict(),
  d: (m) => {
    const base = m.marks.at(-1) ?? 0;
    const pairs = m.popMark();
    m.pushDict();
    m.setItems(pairs, base);
  },
  s: (m) => {
    const base = m.stack.length - 2;
    m.setItems(m.popItems(2), base);
  },
  u: (m) => {
    const base = m.marks.at(-1) ?? 0;
    m.setItems(m.popMark(), base);
  },
  a: (m) => m.extend([m.pop()]),
  e: (m) => m.extend(m.popMark()),
  '0x90': (m) => m.extend(m.popMark()),
});

// The memo.
const memoIndex = (m: PickleMachine): number => {
  const line = m.line('memo index');
  if (!/^\d{1,15}$/.test(line)) throw m.corrupt('a memo index is not a number');
  return Number(line);
};
define({
  p: (m) => m.remember(memoIndex(m)),
  q: (m) => m.remember(m.input.u8('memo index')),
  r: (m) => m.remember(m.input.u32('memo index')),
  '0x94': (m) => m.rememberNext(),
  g: (m) => m.recall(memoIndex(m)),
  h: (m) => m.recall(m.input.u8('memo index')),
  j: (m) => m.recall(m.input.u32('memo index')),
});

// What would run code, as data.
const global = (m: PickleMachine, module: string, name: string): PickleGlobal => {
  m.charge(GLOBAL_BYTES);
  return new PickleGlobal(`${module}.${name}`);
};
const argumentsOf = (m: PickleMachine, value: PickleValue): PickleValue[] => {
  if (!(value instanceof PickleSequence))
    throw m.corrupt('the arguments of a call are not a tuple');
  return value.items;
};
const call: Opcode = (m) => {
  const [callable, args] = m.popItems(2) as [PickleValue, PickleValue];
  m.pushObject(callable, argumentsOf(m, args));
};
define({
  c: (m) => {
    const module = m.line('module');
    m.push(global(m, module, m.line('name')));
  },
  '0x93': (m) => {
    const [module, name] = m.popItems(2) as [PickleValue, PickleValue];
    m.push(global(m, asText(m, module, 'a module'), asText(m, name, 'a name')));
  },
  R: call,
  '0x81': call,
  '0x92': (m) => {
    const [callable, args, keywords] = m.popItems(3) as [PickleValue, PickleValue, PickleValue];
    m.pushObject(callable, [...argumentsOf(m, args), keywords]);
  },
  i: (m) => {
    const module = m.line('module');
    const callable = global(m, module, m.line('name'));
    m.pushObject(callable, m.popMark());
  },
  o: (m) => {
    const [callable, ...args] = m.popMark();
    if (callable === undefined) throw m.corrupt('an object has no class');
    m.pushObject(callable, args);
  },
  b: (m) => {
    const state = m.pop();
    m.addState(state);
  },
  P: (m) => pushPersistent(m, m.line('persistent id')),
  Q: (m) => pushPersistent(m, m.pop()),
});

function pushPersistent(m: PickleMachine, id: PickleValue): void {
  m.charge(32);
  m.push(new PicklePersistent(id));
}
