/**
 * Values of a pickle that many others refer to: a program of some kilobytes can ask for a long list
 * a hundred thousand times. Each time counts as steps and memory, and the file is kept as a blob.
 */
import test from 'ava';
import { isDamage } from '../../../../lib/base/errors.js';
import { PICKLE_STEPS_MAX, RANK_MAX } from '../../../../lib/base/limits.js';
import { CHARGES, MemoryBudget } from '../../../../lib/pure/formats/memory-budget.js';
import { parsePickle } from '../../../../lib/pure/formats/torch/pickle.js';
import { PickleSteps } from '../../../../lib/pure/formats/torch/pickle-steps.js';
import {
  PickleDict,
  PickleFloat,
  PickleGlobal,
  PickleObject,
  PickleSequence,
  type PickleValue,
} from '../../../../lib/pure/formats/torch/pickle-value.js';
import { entriesOf } from '../../../../lib/pure/formats/torch/torch-dict.js';
import { understandObject } from '../../../../lib/pure/formats/torch/torch-object.js';
import { counts } from '../../../../lib/pure/formats/torch/torch-tensor.js';
import { ROOT, walkTorch } from '../../../../lib/pure/formats/torch/torch-walk.js';
import { layoutOf } from '../../../helpers/layouts.js';
import { integer, storage, tensor, text, torchArchive, tuple } from '../../../helpers/pickle.js';

/** Enough memory that only the steps can end a walk. */
function largeBudget(): MemoryBudget {
  const budget = new MemoryBudget('file');
  budget.grant(2 ** 30);
  return budget;
}

const steps = (): PickleSteps => new PickleSteps('file', largeBudget());

function dictWith(keys: PickleValue[], value: PickleValue = 1): PickleDict {
  const dict = new PickleDict();
  dict.keys = keys;
  dict.values = keys.map(() => value);
  return dict;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const texts = (count: number): string[] => range(count).map((i) => `a${i}`);
const tupleOf = (items: PickleValue[]): PickleSequence => new PickleSequence('tuple', items);
const call = (name: string, ...args: PickleValue[]): PickleObject => {
  return new PickleObject(new PickleGlobal(name), args);
};
const wrapper = (state: PickleValue, shape: PickleValue = null): PickleObject => {
  const inner = new PickleGlobal('torch._utils._rebuild_wrapper_subclass');
  const type = new PickleGlobal('my.Wrapper');
  return call(
    'torch._tensor._rebuild_from_type_v2',
    inner,
    type,
    tupleOf([type, null, shape]),
    state,
  );
};

const LENGTH = 1000;
/** A list, tuple or dict of LENGTH, and by whom it is shared. */
const SHARED: Record<string, PickleValue> = {
  'attributes of a wrapper': wrapper(dictWith(texts(LENGTH))),
  'a tuple of states of a wrapper': wrapper(tupleOf(range(LENGTH))),
  'keyword arguments of a nested tensor': call(
    'torch.nested._internal.nested_tensor._rebuild_njt',
    dictWith(texts(LENGTH)),
  ),
  'pairs of a dict that are none': call('collections.OrderedDict', tupleOf(range(LENGTH))),
  'states of an object': Object.assign(call('my.Class'), { states: range(LENGTH) }),
  'attributes of an object': Object.assign(call('my.Class'), {
    states: [dictWith(texts(LENGTH))],
  }),
  'attributes of a parameter': call(
    'torch._utils._rebuild_parameter_with_state',
    null,
    false,
    null,
    dictWith(texts(LENGTH)),
  ),
  'a long key': dictWith(range(20).map(() => 'x'.repeat(LENGTH * 16))),
  'a long integer': dictWith(range(20).map((i) => 2n ** 8000n + BigInt(i))),
};
for (const [what, value] of Object.entries(SHARED)) {
  test(`torch: each use counts for ${what}`, (t) => {
    const taken = [1, 11].map((uses) => {
      const counted = steps();
      const list = new PickleSequence('list', new Array(uses).fill(value));
      t.deepEqual(walkTorch(list, ROOT, counted).tensors, []);
      return counted.taken;
    }) as [number, number];
    t.true(taken[1] - taken[0] >= 10 * LENGTH, `${taken} steps`);
  });
}

test('torch: steps beyond the bound are an error of damage class', (t) => {
  const counted = steps();
  counted.take(PICKLE_STEPS_MAX - 4);
  const error = t.throws(() => walkTorch(new PickleSequence('list', []), ROOT, counted), {
    code: 'DLV_LIMIT',
    message: /^'file': the pickle is nested or shared too much/,
  });
  t.true(isDamage(error));
});

test('torch: the attributes of an object are charged until all were visited', (t) => {
  const budget = largeBudget();
  const states = [dictWith(texts(LENGTH))];
  const value = Object.assign(call('my.Class'), { states });
  const { charged } = budget;
  walkTorch(value, ROOT, new PickleSteps('file', budget));
  t.is(budget.charged, charged);
  // Those of a wrapper become parts of a tensor.
  walkTorch(wrapper(dictWith(texts(LENGTH))), ROOT, new PickleSteps('file', budget));
  t.true(budget.charged >= charged + CHARGES.entry * LENGTH);
});

test('torch: the metadata of a view counts for each use', (t) => {
  const view = `ctorch._utils\n_rebuild_tensor_v2\n${tuple(
    storage('0', 'FloatStorage', 4),
    integer(0),
    tuple(integer(4)),
    tuple(integer(1)),
    '\x89',
    'N',
    `}(${texts(LENGTH)
      .map((key) => `${text(key)}\x89`)
      .join('')}${`${text('conj')}\x88`.repeat(3)}u`,
  )}R.`;
  const { value } = parsePickle(Buffer.from(view, 'latin1'), 'file', largeBudget());
  const counted = steps();
  const meaning = understandObject(value as PickleObject, counted);
  t.like(meaning, { kind: 'view', lazy: 'conj' });
  t.is(counted.taken, LENGTH + 3);
});

test('torch: a small file that uses a large wrapper again and again is a blob', async (t) => {
  const count = 20_000;
  const state = `}(${texts(count)
    .map((key) => `${text(key)}K\x01`)
    .join('')}u`;
  const rebuild = 'ctorch._utils\n_rebuild_wrapper_subclass\n';
  const type = 'cmy\nWrapper\n';
  const args = tuple(rebuild, type, tuple(type, 'N', tuple(), tuple()), state);
  const shared = `ctorch._tensor\n_rebuild_from_type_v2\n${args}R`;
  const program = `\x80\x02${shared}q\x000](${'h\0'.repeat(count)}${tensor()}e.`;
  const layout = await layoutOf(torchArchive(program));
  t.is(layout.format, 'blob');
  t.regex(layout.warnings.join(), /takes more than \d+ MiB of memory/);
  const once = await layoutOf(torchArchive(program.replace('h\0'.repeat(count), 'h\0')));
  t.is(once.format, 'torch');
  t.is(once.tensors.length, 1);
});

test('torch: a shape beyond the rank is none, at the cost of its length', (t) => {
  const fits = range(RANK_MAX);
  t.deepEqual(counts(tupleOf(fits)), fits);
  t.deepEqual(counts(call('torch.Size', tupleOf(fits))), fits);
  const long = tupleOf(range(RANK_MAX + 1));
  t.is(counts(long), null);
  // Its items are not looked at.
  const guarded = new Proxy(long.items, {
    get: (items, key) => (key === 'length' ? items.length : t.fail(`it reads ${String(key)}`)),
  });
  t.is(counts(tupleOf(guarded)), null);
});

test('torch: keys that are not numbers take steps in proportion, and names of their own', (t) => {
  const count = 10_000;
  const keys = range(count).map(() => new PickleFloat(Number.NaN));
  const counted = steps();
  const names = [...entriesOf(dictWith([...keys, 'NaN', 'NaN~3']), counted).keys()];
  t.deepEqual(names.slice(0, 3), ['NaN', 'NaN~2', 'NaN~3']);
  t.is(names[count - 1], `NaN~${count}`);
  // The texts read like keys before them.
  t.deepEqual(names.slice(count), ["'NaN'", 'NaN~3~2']);
  t.true(counted.taken < 3 * count, `${counted.taken} steps`);
});

test('torch: integers that differ in their upper bits alone are keys of their own', (t) => {
  const keys = range(5).map((i) => (BigInt(i) + 1n) << 64n);
  const entries = entriesOf(dictWith([...keys, ...keys, `${keys[0]}`]), steps());
  t.deepEqual([...entries.keys()], [...keys.map(String), `'${keys[0]}'`]);
});

test('torch: a name longer than any that is known is none', (t) => {
  const long = `torch._utils._rebuild_${'x'.repeat(LENGTH)}`;
  t.deepEqual(understandObject(call(long), steps()), { kind: 'other' });
  t.like(understandObject(call('torch._utils._rebuild_x'), steps()), { kind: 'opaque' });
  const { foreign } = walkTorch(call(`torch.${long}`), ROOT, steps());
  t.is(foreign.length, 1);
});
