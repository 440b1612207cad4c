/** Options of the public API: the names that are known are those of the types, and others are refused. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { CallOptions } from '../../../lib/api/call.js';
import { NESTED_OPTIONS } from '../../../lib/api/nested-options.js';
import type { clone, init, open } from '../../../lib/api/open.js';
import { OPTION_NAMES } from '../../../lib/api/option-names.js';
import type { Repository } from '../../../lib/api/repository.js';
import * as dlv from '../../../lib/index.js';
import { tempDir } from '../../helpers/temp-dir.js';

interface Functions {
  clone: typeof clone;
  init: typeof init;
  open: typeof open;
}

/** The last parameter of a function, where it is an object. */
type OptionsOf<F> = F extends (...given: infer P) => unknown
  ? Required<P> extends [...unknown[], infer O extends CallOptions]
    ? O
    : never
  : never;

type Callable = Repository & Functions;
/** Methods and functions that take options. */
type MethodWithOptions = {
  [M in keyof Callable]: [OptionsOf<Callable[M]>] extends [never] ? never : M;
}[keyof Callable];

/** Of a union of options, the names that any of them has. */
type NamesOf<O> = O extends unknown ? Exclude<keyof O, keyof CallOptions> : never;
type Words<S extends string> = S extends `${infer First} ${infer Rest}`
  ? First | Words<Rest>
  : Exclude<S, ''>;
/** `S` if it lists exactly the names of `M`, else what is missing or too much. */
type Exactly<S extends string, M extends MethodWithOptions> = [
  Exclude<NamesOf<OptionsOf<Callable[M]>>, Words<S>>,
  Exclude<Words<S>, NamesOf<OptionsOf<Callable[M]>>>,
] extends [infer Missing, infer Extra]
  ? [Missing, Extra] extends [never, never]
    ? S
    : { missing: Missing; extra: Extra }
  : never;

/** Does not compile where an option of a method is missing, or is none. */
const HELD: {
  [M in MethodWithOptions]: Exactly<(typeof OPTION_NAMES)[M], M>;
} = OPTION_NAMES;

/** The object that an option is, or that its lists hold; never for other values. */
type Plain<O> = O extends readonly (infer E)[]
  ? Plain<E>
  : O extends ((...given: never[]) => unknown) | Date | Uint8Array | null | undefined
    ? never
    : O extends object
      ? O
      : never;
/** The same without tables, whose keys are the caller's. */
type Fixed<O> = O extends unknown ? (string extends keyof O ? never : O) : never;
type ValueOf<O, K extends PropertyKey> = O extends { [P in K]?: infer V }
  ? Exclude<V, undefined>
  : never;
/** What an option of this name is in any method. */
type NestedOf<K extends string> = {
  [M in MethodWithOptions]: Fixed<Plain<ValueOf<OptionsOf<Callable[M]>, K>>>;
}[MethodWithOptions];
type AnyName = { [M in MethodWithOptions]: NamesOf<OptionsOf<Callable[M]>> }[MethodWithOptions];
type NestedName = { [K in AnyName]: [NestedOf<K>] extends [never] ? never : K }[AnyName];
type KeysOf<O> = O extends unknown ? keyof O & string : never;
type KindOf<T> = T extends string
  ? 'text'
  : T extends number
    ? 'number'
    : T extends boolean
      ? 'boolean'
      : T extends null
        ? 'null'
        : T extends readonly number[]
          ? 'numbers'
          : 'object';
/** `Kinds` if they hold all that the key may be of the types, else what is missing. */
type Covers<Kinds extends readonly string[], T> = [Exclude<KindOf<T>, Kinds[number]>] extends [
  never,
]
  ? Kinds
  : { missing: Exclude<KindOf<T>, Kinds[number]> };

type Table = typeof NESTED_OPTIONS;
type Keys<K extends string> = K extends keyof Table
  ? Table[K] extends { keys: infer Own }
    ? Own
    : never
  : never;

/** Does not compile where an option that is an object, or a key of one, is missing, is none or is of another type. */
const NESTED_HELD: {
  [K in NestedName]: {
    keys: {
      [F in KeysOf<NestedOf<K>> | keyof Keys<K>]: F extends keyof Keys<K>
        ? F extends KeysOf<NestedOf<K>>
          ? Keys<K>[F] extends readonly string[]
            ? Covers<Keys<K>[F], ValueOf<NestedOf<K>, F>>
            : never
          : never
        : never;
    };
  };
} = NESTED_OPTIONS;

test('api: keys of options that are objects are checked, with the nearest, and so are their types', async (t) => {
  t.true(Object.keys(NESTED_HELD).includes('preprocess'));
  const dir = await tempDir(t);
  const repo = await dlv.init(dir, { model: 'm' });
  const any = (options: object) => options as never;
  const refused = async (call: Promise<unknown>): Promise<string> => {
    const { message, data } = (await t.throwsAsync(call, {
      instanceOf: dlv.UsageError,
    })) as dlv.DlvError;
    return `${message}: ${data.hint}`;
  };
  const evaluate = (preprocess: unknown) =>
    refused(repo.evaluate('HEAD', any({ data: 'x.npy', labels: 'y.npy', preprocess })));
  t.is(
    await evaluate({ sclae: 2 }),
    "evaluate() has no option 'preprocess.sclae': did you mean scale?",
  );
  t.is(
    await evaluate({ mean: 0.5 }),
    "'preprocess.mean' of evaluate() is a number: it is a list of numbers",
  );
  t.is(
    await evaluate({ resize: '224' }),
    "'preprocess.resize' of evaluate() is a text: it is a number, or a list of numbers, or null",
  );
  t.is(await evaluate('hwc'), "'preprocess' of evaluate() is a text: it is an object");
  const commit = (options: object) => refused(repo.commit(any({ message: 'x', ...options })));
  t.regex(await commit({ author: { nmae: 'Ada' } }), /'author\.nmae': did you mean name\?/);
  t.regex(await commit({ environment: { python: 3.12 } }), /'environment\.python' .* is a number/);
  t.regex(
    await commit({ metrics: [{ name: 'loss', vaule: 1 }] }),
    /'metrics\.vaule': did you mean value/,
  );
  t.regex(await commit({ date: '2026-01-31' }), /'date' of commit\(\) is a text: it is an object/);
  const limit = { kind: 'factor', time: 2 };
  t.regex(
    await refused(repo.archive(any({ budgets: [{ target: null, limit }] }))),
    /'budgets\.limit\.time': did you mean times/,
  );
  t.regex(
    await refused(repo.merge('x', any({ combine: { method: 'ties', weight: [1] } }))),
    /'combine\.weight': did you mean weights/,
  );
  await fs.writeFile(path.join(dir, 'notes.txt'), 'one\n');
  await repo.add('notes.txt');
  // Names of metrics and hyperparameters are the caller's.
  await repo.commit({
    message: 'free names',
    params: { name: 1, sclae: 'x' },
    metrics: { vaule: 1 },
    date: new Date(0),
  });
  await repo.close();
});

test('api: the table of options names every method once', (t) => {
  t.deepEqual(Object.keys(HELD).sort(), [...new Set(Object.keys(OPTION_NAMES))].sort());
});

test('api: options that a method does not have are refused, with the nearest that it has', async (t) => {
  const repo = await dlv.init(await tempDir(t), { model: 'm' });
  const refused = async (call: () => Promise<unknown>, message: RegExp, near: string) => {
    const error = await t.throwsAsync(call, { instanceOf: dlv.UsageError, message });
    t.is((error as dlv.UsageError).data.hint, `did you mean ${near}?`);
  };
  const any = (options: object) => options as never;
  await refused(
    () => repo.rm('a', any({ catched: true })),
    /rm\(\) has no option 'catched'/,
    'cached',
  );
  await refused(
    () => repo.log(any({ maxcount: 1 })),
    /log\(\) has no option 'maxcount'/,
    'maxCount',
  );
  await refused(() => repo.show('HEAD', any({ onWarnings: () => {} })), /show\(\)/, 'onWarning');
  await refused(() => dlv.init('x', any({ modle: 'n' })), /init\(\)/, 'model');
  const { message, data } = (await t.throwsAsync(repo.gc(any({ xyz: 1 })))) as dlv.DlvError;
  t.is(message, "gc() has no option 'xyz'");
  t.regex(data.hint as string, /^it takes dryRun, pruneNow, signal, progress, onWarning$/);
  // What is not given is no option.
  await repo.status(any({ paths: undefined }));
  await repo.close();
});
