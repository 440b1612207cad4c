/** How the public API runs a use case: its context, its warnings, its errors. */
import { asDlvError, UsageError } from '../base/errors.js';
import type { OpContext, Warned } from '../use/context.js';
import { noProgress, type ProgressSink } from '../use/progress.js';
import { checkNested } from './nested-options.js';
import { checkOptionNames, type Method } from './option-names.js';

/** What every call takes besides its own options. All of it is optional. */
export interface CallOptions {
  /** Stops long work between chunks with AbortedError; nothing half-written is left. */
  signal?: AbortSignal;
  /** Is told how far the work is. */
  progress?: ProgressSink;
  /** Receives each warning as it is given, one sentence. Results hold them as well. */
  onWarning?: (message: string) => void;
}

/** Options that are lists of texts wherever they appear, and those that are in some use cases alone. */
const LISTS = [
  ...['revisions', 'paths', 'columns', 'group', 'refs', 'branches', 'patterns', 'only', 'since'],
  ...['names', 'logs', 'parents', 'metrics', 'classes', 'checkpoints', 'files'],
];

/**
 * Options of a use case without those of the call. A text where a list of texts is meant is a list of one: in
 * JavaScript no compiler says so, and its letters would be taken for texts.
 * @param lists  options that are lists here and something else in other use cases.
 * @throws {UsageError} for options that are no object, and for names that the method does not know.
 */
export function withoutCall<T extends CallOptions>(
  method: Method,
  options: T,
  lists: readonly string[] = [],
): Omit<T, keyof CallOptions> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new UsageError('the options are no object', { hint: "as in { revisions: ['HEAD'] }" });
  }
  checkOptionNames(method, options);
  checkNested(method, options);
  const { signal, progress, onWarning, ...own } = options;
  for (const [name, value] of Object.entries(own)) {
    if (typeof value !== 'string' || !(LISTS.includes(name) || lists.includes(name))) continue;
    Object.assign(own, { [name]: [value] });
  }
  return own;
}

/** The context of one call, and the list that its warnings go to. */
export function contextOf(
  cwd: string,
  options: CallOptions,
): { context: OpContext; warnings: string[] } {
  const { signal, progress = noProgress, onWarning } = options;
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(message);
    onWarning?.(message);
  };
  return { context: { cwd, progress, warn, ...(signal ? { signal } : {}) }, warnings };
}

/** Runs `action`; whatever it throws becomes an error of the table. */
export async function inTable<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw asDlvError(error);
  }
}

/** What a stream gives, in order; whatever it throws becomes an error of the table. */
export async function* inTableEach<T>(stream: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    for (;;) {
      const next = await inTable(() => stream.next());
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await stream.return(undefined);
  }
}

/** Runs a use case and puts what it warned of beside what it answers. */
export async function callOp<T extends object>(
  cwd: string,
  options: CallOptions,
  action: (context: OpContext) => Promise<T>,
): Promise<Warned<T>> {
  const { context, warnings } = contextOf(cwd, options);
  try {
    return { ...(await inTable(() => action(context))), warnings };
  } finally {
    context.progress.finish();
  }
}
