/**
 * What a repository counts on its remotes to have, and how it gets here when it is needed.
 *
 * Start at `Promises.open`. `promised-content.ts` knows what remotes have, `wanted-parts.ts` what of it is needed,
 * `fetch-promised.ts` brings it. @see docs/format/promised.md
 */
import { BugError, DlvError } from '../../../base/errors.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import type { Supply, SupplyWants } from '../../objects/stored/bring.js';
import type { PromisedOfRemote } from '../../repo/promised.js';
import {
  type Need,
  type Promised,
  type PromisedBy,
  PromisedError,
  promisedSize,
} from '../../store/promised.js';
import type { PlaneClass, SetId } from '../../store/types.js';
import type { FetchingRepository } from '../fetch-plan.js';
import type { FetchPromisedOptions } from './fetch-promised.js';
import { PromisedContent } from './promised-content.js';
import { wantedParts } from './wanted-parts.js';

/** What is done about something promised: fetched, refused since the user forbade it, or left where it is. */
export type FetchMode = 'fetch' | 'forbidden' | 'left';

/** Share of a set of leading planes that is hidden by what came, from which the set is written again. */
const HIDDEN_SHARE = 0.2;

export interface PromisesOptions extends FetchPromisedOptions {
  readonly mode: FetchMode;
  /** Is told once of a server that sends whole files. */
  onWhole?(shown: string): void;
}

export class Promises implements Promised, Supply {
  readonly #repo: FetchingRepository;
  readonly #options: PromisesOptions;
  #mode: FetchMode;
  #content: PromisedContent;
  #turn: Promise<unknown> = Promise.resolve();
  /** True once files came whole: what else is needed of them stands in .dlv/incoming. */
  #keepsIncoming = false;
  /** True once tensors came: records of fewer of their planes may be here as well. */
  #hasBrought = false;

  private constructor(
    repo: FetchingRepository,
    content: PromisedContent,
    options: PromisesOptions,
  ) {
    this.#repo = repo;
    this.#content = content;
    this.#options = options;
    this.#mode = options.mode;
  }

  /** What is promised to a repository; null if nothing is. @throws {CorruptError} */
  static async open(repo: FetchingRepository, options: PromisesOptions): Promise<Promises | null> {
    const content = await PromisedContent.read(repo, options.signal);
    return content.byRemote.size === 0 ? null : new Promises(repo, content, options);
  }

  get planes(): number | null {
    return this.#content.planes;
  }

  /** Runs something that must not fetch: what is promised counts as not here. */
  async leaving<T>(action: () => Promise<T>): Promise<T> {
    const before = this.#mode;
    this.#mode = 'left';
    try {
      return await action();
    } finally {
      this.#mode = before;
    }
  }

  /** By remote. */
  get byRemote(): ReadonlyMap<string, PromisedOfRemote> {
    return this.#content.byRemote;
  }

  /** Reads again what is promised, after it changed. */
  async reload(): Promise<void> {
    this.#content = await PromisedContent.read(this.#repo, this.#options.signal);
  }

  /** Removes what came and nobody asked for, and frees records of fewer planes than those that came. */
  async close(): Promise<void> {
    if (this.#hasBrought) {
      this.#hasBrought = false;
      const { replaceThinSets } = await import('../../upkeep/thin-sets.js');
      const { signal } = this.#options;
      const how = { share: HIDDEN_SHARE, ...(signal ? { signal } : {}) };
      await replaceThinSets(this.#repo, how).catch((error: unknown) => {
        // What was asked for is done: gc frees it later.
        if (!(error instanceof DlvError) || error instanceof BugError) throw error;
      });
    }
    if (!this.#keepsIncoming) return;
    const { removeOwnIncoming } = await import('../incoming.js');
    await removeOwnIncoming(this.#repo.layout);
  }

  absent(set: SetId): readonly PlaneClass[] {
    return this.#content.absent(set);
  }

  of(need: Need): Promise<PromisedBy | null> {
    return this.#content.of(need);
  }

  async bring(need: Need): Promise<void> {
    const wants: SupplyWants =
      need.kind === 'blob'
        ? { blobs: [need.id], extents: new Map() }
        : { blobs: [], extents: new Map([[need.id, await this.#sizeOf(need)]]) };
    await this.bringAll(wants, nameOf(need));
  }

  /** Planes that an extent is fetched with, and its segments. */
  async #sizeOf(
    need: Extract<Need, { kind: 'extent' }>,
  ): Promise<{ planes: number; segments: number }> {
    const by = await this.of(need);
    const known = (await this.#content.remotes()).find(({ name }) => name === by?.remote);
    const found =
      (await this.#repo.store.here.findSegment(need.id, need.segment)) ??
      (await known?.store.here.findSegment(need.id, need.segment)) ??
      null;
    const few = known?.promised.filter.planes ?? WIDTH_MAX;
    return { planes: need.whole ? WIDTH_MAX : few, segments: found?.segments ?? 1 };
  }

  /**
   * Sees to it that objects are here, with as many planes as are wanted; what is here already costs nothing.
   * @param what  for messages.
   * @throws {PromisedError} if fetching is not wanted; {RemoteError} if the remote cannot be reached.
   */
  async bringAll(wants: SupplyWants, what: string): Promise<void> {
    const run = this.#turn.then(() => this.#bring(wants, what));
    this.#turn = run.catch(() => {});
    return run;
  }

  async #bring(wants: SupplyWants, what: string): Promise<void> {
    const parts = await wantedParts(this.#repo, this.#content, wants);
    for (const [remote, { wants: part, ...sizes }] of parts) {
      const by = { remote, ...sizes };
      const mode = this.#mode;
      if (mode !== 'fetch') {
        const shown = promisedSize(by);
        const size = shown === '' ? '' : ` (${shown})`;
        const why = mode === 'forbidden' ? ', and --no-fetch forbids to fetch it' : '';
        throw new PromisedError(`${what}${size}`, by, why);
      }
      const { fetchPromised } = await import('./fetch-promised.js');
      const sendsWhole = await fetchPromised(this.#repo, by, part, this.#options);
      this.#hasBrought ||= part.extents.size > 0;
      if (sendsWhole !== null && !this.#keepsIncoming) {
        this.#keepsIncoming = true;
        this.#options.onWhole?.(sendsWhole);
      }
    }
  }
}

function nameOf(need: Need): string {
  if (need.kind === 'blob') return `object '${need.id.slice(0, 16)}…'`;
  const what = `extent '${need.id.slice(0, 16)}…'`;
  return need.whole ? `what is missing of ${what}` : what;
}
