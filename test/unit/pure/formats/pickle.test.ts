/**
 * The pickle parser: one value as Python writes it in every protocol, then programs by hand that lie,
 * overflow, or would run code if they were executed.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { isDamage } from '../../../../lib/base/errors.js';
import { MemoryBudget } from '../../../../lib/pure/formats/memory-budget.js';
import { type Pickle, parsePickle } from '../../../../lib/pure/formats/torch/pickle.js';
import {
  PickleDict,
  PickleFloat,
  PickleGlobal,
  PickleObject,
  PickleSequence,
  type PickleValue,
} from '../../../../lib/pure/formats/torch/pickle-value.js';
import { fixture } from '../../../helpers/paths.js';

/** A program from Latin-1 texts and byte arrays. */
function program(...parts: (string | number[])[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part),
    ),
  );
}

const parse = (...parts: (string | number[])[]): Pickle => parseBytes(program(...parts));

function parseBytes(bytes: Uint8Array): Pickle {
  const budget = new MemoryBudget('file');
  budget.grant(bytes.length);
  return parsePickle(bytes, 'file', budget);
}
const resultOf = (...parts: (string | number[])[]): PickleValue => parse(...parts).value;

/** Values as plain ones that deepEqual compares. */
function plain(value: PickleValue): unknown {
  if (value instanceof PickleFloat) return { float: value.value };
  if (value instanceof PickleGlobal)
    return { global: value.name.replace('__builtin__', 'builtins') };
  if (value instanceof PickleSequence) return { [value.kind]: value.items.map(plain) };
  if (value instanceof PickleDict) {
    return { dict: value.keys.map((key, i) => [plain(key), plain(value.values[i] ?? null)]) };
  }
  if (value instanceof PickleObject) return { name: value.name, args: value.args.map(plain) };
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

const lines = fs.readFileSync(fixture('torch', 'protocols.txt'), 'utf8').trim().split('\n');
for (const line of lines) {
  const [protocol = '', hex = ''] = line.split(' ');
  test(`pickle: protocol ${protocol} as Python writes it`, (t) => {
    const { value, length } = parseBytes(Buffer.from(hex, 'hex'));
    t.is(length, hex.length / 2);
    t.true(value instanceof PickleDict);
    const dict = value as PickleDict;
    const at = (key: PickleValue) => dict.values[dict.keys.indexOf(key)] as PickleValue;
    const numbers = [1, -1, 255, 256, 65536, -(2 ** 31), 2 ** 31, 2n ** 53n];
    t.deepEqual(plain(at('integers')), {
      list: [...numbers, -(2n ** 53n) - 1n, 2n ** 63n, -(2n ** 70n)],
    });
    t.is(at('again'), at('integers'));
    t.deepEqual(plain(at('floats')), {
      list: [0.5, -0, Infinity, 1e300].map((float) => ({ float })),
    });
    const { items } = at('others') as PickleSequence;
    t.deepEqual(items.slice(0, 6), [null, true, false, '', 'naïve ☃ 🦊', 'line\nend \\u0041']);
    t.deepEqual(plain(at(3)), {
      tuple: [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]
        .map((tuple) => ({ tuple }) as object)
        .concat({ list: [] }, { dict: [] }),
    });
    t.deepEqual(plain(at('global')), { global: 'collections.OrderedDict' });
    const ordered = at('ordered') as PickleObject;
    t.is(ordered.name, 'collections.OrderedDict');
    // Bytes and sets have opcodes of their own only in the later protocols.
    if (Number(protocol) >= 3) t.deepEqual(plain(items[6] ?? null), '00ff');
    if (Number(protocol) >= 4) t.deepEqual(plain(at('set')), { set: [7] });
    else t.regex((at('set') as PickleObject).name ?? '', /\.set$/);
  });
}

test("pickle: a key that one of two dicts alike gets later is not the other's", (t) => {
  // {'a': 1, 'b': 2}, and the same with 'c': 3 set afterwards; then both orders.
  const both = '(U\x01aK\x01U\x01bK\x02u';
  const later = 'U\x01cK\x03s';
  const two = [
    ['a', 1],
    ['b', 2],
  ];
  const three = [...two, ['c', 3]];
  t.deepEqual(plain(resultOf('\x80\x02', `}${both}`, `}${both}${later}`, '\x86.')), {
    tuple: [{ dict: two }, { dict: three }],
  });
  t.deepEqual(plain(resultOf('\x80\x02', `}${both}`, `}${both}${later}`, `}${both}`, '\x87.')), {
    tuple: [{ dict: two }, { dict: three }, { dict: two }],
  });
});

test('pickle: memorized values come back under their index, whatever the page', (t) => {
  const push = (i: number): string => `J${String.fromCharCode(i & 255, i >> 8, 0, 0)}\x940`;
  const all = Array.from({ length: 3000 }, (_, i) => push(i)).join('');
  const back = [0, 1023, 1024, 2999].map((i) => `j${String.fromCharCode(i & 255, i >> 8, 0, 0)}`);
  t.deepEqual(plain(resultOf('\x80\x04', all, `(${back.join('')}t.`)), {
    tuple: [0, 1023, 1024, 2999],
  });
  t.throws(
    () => resultOf('\x80\x04', all, `j${String.fromCharCode(3000 & 255, 3000 >> 8, 0, 0)}.`),
    {
      message: /nothing was memorized as 3000/,
    },
  );
});

test('pickle: numbers that training changes are noted with their place', (t) => {
  const bytes = program(
    '\x80\x02}(X\x04\0\0\0stepK\x07X\x02\0\0\0lrG',
    [0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
    'X\x05\0\0\0epochM\x01\x02X\x05\0\0\0shapeK\x05\x85u.',
  );
  const { numbers } = parseBytes(bytes);
  const opcodes = numbers?.map(({ offset, length, fixedLength }) => {
    return [bytes.toString('latin1', offset, offset + 1), length, fixedLength];
  });
  t.deepEqual(opcodes, [
    ['K', 2, false],
    ['?', 8, true],
    ['M', 3, false],
  ]);
});

test('pickle: too many numbers are not told apart', (t) => {
  const many = 'G\0\0\0\0\0\0\0\0'.repeat(5000);
  t.is(parse('](', many, 'e.').numbers, null);
});

test('pickle: calls are data, whatever they would do', async (t) => {
  const mark = path.join(os.tmpdir(), `dlv-pickle-${process.pid}`);
  const command = Buffer.from(`touch ${mark}`);
  const text = ['X', [command.length, 0, 0, 0], command.toString('latin1')];
  const cases: Record<string, [name: string, ...parts: (string | number[])[]]> = {
    REDUCE: ['posix.system', 'cposix\nsystem\n(', ...text, 'tR.'],
    'REDUCE of eval': ['builtins.eval', 'cbuiltins\neval\n(', ...text, 'tR.'],
    INST: ['os.system', '(', ...text, 'ios\nsystem\n.'],
    OBJ: ['subprocess.Popen', '(csubprocess\nPopen\n', ...text, 'o.'],
    NEWOBJ: ['subprocess.Popen', 'csubprocess\nPopen\n', ...text, '\x85\x81.'],
    NEWOBJ_EX: ['subprocess.Popen', 'csubprocess\nPopen\n', ...text, '\x85}\x92.'],
    STACK_GLOBAL: ['posix.system', '\x80\x04\x8c\x05posix\x8c\x06system\x93', ...text, '\x85R.'],
    BUILD: ['os.thing', 'cos\nthing\n)R}(X\x0c\0\0\0__setstate__cos\nsystem\nub', ...text, 'b.'],
  };
  for (const [what, [name, ...parts]] of Object.entries(cases)) {
    const value = resultOf(...parts);
    t.true(value instanceof PickleObject, what);
    t.is((value as PickleObject).name, name, what);
  }
  t.false(fs.existsSync(mark));
  t.deepEqual(plain(resultOf('cbuiltins\neval\n.')), { global: 'builtins.eval' });
});

test('pickle: a callable made by a call has no name', (t) => {
  const value = resultOf('cbuiltins\ngetattr\n)R)R.');
  t.is((value as PickleObject).name, null);
});

const refused: Record<string, [code: string, ...parts: (string | number[])[]]> = {
  'an empty file': ['DLV_TRUNCATED'],
  'no STOP': ['DLV_TRUNCATED', 'N'],
  'an empty stack at STOP': ['DLV_CORRUPT', '.'],
  'POP of nothing': ['DLV_CORRUPT', '0.'],
  'POP_MARK without a mark': ['DLV_CORRUPT', 'N1.'],
  'TUPLE without a mark': ['DLV_CORRUPT', 'Nt.'],
  'TUPLE3 of two': ['DLV_CORRUPT', 'NN\x87.'],
  'a value below the mark': ['DLV_CORRUPT', 'N(R.'],
  'REDUCE of one': ['DLV_CORRUPT', ')R.'],
  'REDUCE with no tuple': ['DLV_CORRUPT', 'ca\nb\nNR.'],
  'OBJ without a class': ['DLV_CORRUPT', '(o.'],
  'BUILD of a dict': ['DLV_CORRUPT', '}}b.'],
  'BUILD of a class': ['DLV_CORRUPT', 'cos\nsystem\n}b.'],
  'STACK_GLOBAL of numbers': ['DLV_CORRUPT', 'K\x01K\x02\x93.'],
  'SETITEM in a list': ['DLV_CORRUPT', ']NNs.'],
  'SETITEMS with a key alone': ['DLV_CORRUPT', '}(Nu.'],
  'APPEND to a dict': ['DLV_CORRUPT', '}Na.'],
  'APPEND to a tuple': ['DLV_CORRUPT', ')Na.'],
  'GET of nothing': ['DLV_CORRUPT', 'h\x05.'],
  'PUT of nothing': ['DLV_CORRUPT', 'q\x05.'],
  'a memo index in words': ['DLV_CORRUPT', 'Npone\n.'],
  'a protocol to come': ['DLV_CORRUPT', '\x80\x06N.'],
  'an extension code': ['DLV_CORRUPT', '\x82\x01.'],
  'an out-of-band buffer': ['DLV_CORRUPT', '\x97.'],
  'an unknown opcode': ['DLV_CORRUPT', '\xff.'],
  'text as an integer': ['DLV_CORRUPT', 'Ione\n.'],
  'text as a float': ['DLV_CORRUPT', 'F1.0.0\n.'],
  'a string without quotes': ['DLV_CORRUPT', 'Sabc\n.'],
  'a text beyond the end': ['DLV_TRUNCATED', 'X\xff\xff\xff\x7f.'],
  'bytes of 2^62': ['DLV_TRUNCATED', '\x8e\0\0\0\0\0\0\0\x40.'],
  'a bytearray of 2^64 − 1': ['DLV_TRUNCATED', '\x96\xff\xff\xff\xff\xff\xff\xff\xff.'],
  'a frame beyond the end': ['DLV_TRUNCATED', '\x95\xff\0\0\0\0\0\0\0N.'],
  'LONG4 beyond the end': ['DLV_TRUNCATED', '\x8b\xff\xff\xff\x7f.'],
  'a negative LONG4': ['DLV_TRUNCATED', '\x8b\xff\xff\xff\xff.'],
  'an integer of 2,000 bytes': ['DLV_LIMIT', '\x8b\xd0\x07\0\0', 'x'.repeat(2000), '.'],
  'a line without an end': ['DLV_TRUNCATED', 'cos'],
};
for (const [what, [code, ...parts]] of Object.entries(refused)) {
  test(`pickle: refuses ${what}`, (t) => {
    const error = t.throws(() => parse(...parts));
    t.is((error as { code?: string }).code, code);
    t.true(isDamage(error));
    t.regex(error?.message ?? '', /'file'/);
  });
}

test('pickle: memory is bounded however the values are made', (t) => {
  const makers = ['}', ']', ')', 'Nq\x01', '(', '\x8f', 'ca\nb\n', 'ca\nb\n)R', 'N2'];
  for (const maker of makers) {
    const error = t.throws(() => parse(maker.repeat(Math.ceil(2 ** 22 / maker.length)), 'N.'), {
      code: 'DLV_LIMIT',
    });
    t.truthy(error, maker);
  }
});

test('pickle: nesting and shared references cost only what they take', (t) => {
  t.true(resultOf('('.repeat(100_000), 'l'.repeat(100_000), '.') instanceof PickleSequence);
  // Each list holds the one before twice: 2^60 leaves by value, 60 lists by reference.
  const doubling = Array.from({ length: 60 }, () => '\x94]h\0' + 'h\0\x86').join('');
  t.notThrows(() => parse(']', doubling, '.'));
});

test('pickle: every program ends in a value or an error of damage class', (t) => {
  const opcode = fc.constantFrom(
    ...'NJKMIFGLBCTUXSV()tl]}dsuaeqprghjRibo012cPQ\x80\x85\x86\x87\x88\x8a\x8b\x8c\x8f\x90\x91\x92\x93\x94\x95.',
  );
  const part = fc.oneof(
    opcode,
    opcode,
    fc.uint8Array({ maxLength: 6 }).map((b) => Buffer.from(b).toString('latin1')),
    fc.constant('a\n'),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
      try {
        parseBytes(Buffer.from(`${parts.join('')}.`, 'latin1'));
      } catch (error) {
        if (!isDamage(error)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
  t.pass();
});
