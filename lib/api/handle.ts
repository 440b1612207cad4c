/**
 * State that all parts of an open repository share: the repository, how calls are run, and closing.
 */
import { UsageError } from '../base/errors.js';
import type { OpContext, Warned } from '../use/context.js';
import type { Repository as OpenRepository } from '../use/repository.js';
import { type CallOptions, callOp, contextOf, inTable } from './call.js';

/** Options of a method: those of its use case that are not arguments, and those of every call. */
export type Options<T, Arguments extends keyof T = never> = Omit<T, Arguments> & CallOptions;

/** A use case on an open repository. */
type Op<T> = (repo: OpenRepository, context: OpContext) => Promise<T>;

export abstract class Handle implements AsyncDisposable {
  readonly #cwd: string;
  readonly #defaults: CallOptions;
  #repo: OpenRepository | null;

  /** @internal Use `open` or `init`. */
  constructor(repo: OpenRepository, cwd: string, defaults: CallOptions) {
    this.#repo = repo;
    this.#cwd = cwd;
    this.#defaults = defaults;
  }

  /** The folder that holds `.dlv`: paths of versions start there. */
  get path(): string {
    return this.openRepository.layout.workTree;
  }

  /** @internal @throws {UsageError} once it is closed. */
  protected get openRepository(): OpenRepository {
    if (this.#repo !== null) return this.#repo;
    throw new UsageError('the repository is closed', { hint: 'open it again' });
  }

  /** @internal Runs a use case whose answer is an object. */
  protected async call<T extends object>(options: CallOptions, op: Op<T>): Promise<Warned<T>> {
    const repo = this.openRepository;
    return callOp(this.#cwd, { ...this.#defaults, ...options }, (context) => op(repo, context));
  }

  /** @internal Runs a use case whose answer is a list or a plain value. */
  protected async ask<T>(options: CallOptions, op: Op<T>): Promise<T> {
    const repo = this.openRepository;
    return inTable(() => op(repo, this.context(options)));
  }

  /** @internal */
  protected context(options: CallOptions): OpContext {
    return contextOf(this.#cwd, { ...this.#defaults, ...options }).context;
  }

  /** Lets the repository go. Later calls throw; a second `close` does nothing. */
  async close(): Promise<void> {
    const repo = this.#repo;
    this.#repo = null;
    if (repo !== null) await inTable(() => repo.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
