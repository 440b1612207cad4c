/** Options of the public API: the names that are known are those of the types, and others are refused. */
import test from 'ava';
import type { CallOptions } from '../../../lib/api/call.js';
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
