/**
 * Describes a version wherever one is shown: its number, its refs, its metrics, its lineage.
 * `Describer` caches what it reads, so that describing a whole history reads each version once.
 */

import type { Id } from '../../base/bytes/hash.js';
import { LruCache } from '../../base/bytes/lru-cache.js';
import { PAGE_CACHE_ITEMS } from '../../base/limits.js';
import { factsOf, type VersionFacts } from '../../knowledge/catalog/facts.js';
import { VersionCatalog } from '../../knowledge/catalog/version-catalog.js';
import type { ParamValue } from '../../pure/logs/param-value.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { listNotedVersions, listRefs, type Ref } from '../../storage/repo/refs/refs.js';
import { refsByVersion, resolveHead } from '../../storage/repo/refs/revision.js';
import { formatAuthor } from '../../storage/repo/settings/author.js';
import type { FilePage, PageRef, Snapshot } from '../../storage/repo/version/file-page.js';
import { checkPlace, type FileTree, readPageAt } from '../../storage/repo/version/file-tree.js';
import type { Operation } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { Version } from '../../storage/repo/version/version.js';
import { VersionNames } from './lines/version-names.js';
import { definingCandidates, mayDefineNetwork } from './networks/candidates.js';
import {
  type MetricSteps,
  type MetricValue,
  metricSteps,
  typedParams,
  wholeMetrics,
} from './version-values.js';

export type { Id } from '../../base/bytes/hash.js';
export { directionOf } from '../../pure/logs/direction.js';
export type { ParamValue } from '../../pure/logs/param-value.js';

/** A version and what it is called. */
export interface CalledVersion {
  version: Id;
  model: string;
  number: number;
  /** A revision that names it, as in VersionSummary. */
  name: string;
}

/** A version of another model that a version derives from. */
export type Lineage = CalledVersion;

/** What every list of versions says of each. */
export interface VersionSummary {
  version: Id;
  model: string;
  /** Counted in its model when it was committed; see `name`. */
  number: number;
  /**
   * A revision that names it whatever HEAD is on: `model@number`; where several versions have the number,
   * `model/branch@number`, or first digits of its id if it is on the own line of no branch of this repository.
   */
  name: string;
  message: string;
  /** 'name <email>'. */
  author: string;
  /** ISO 8601 with the author's zone. */
  time: string;
  /** Ids, first parent first. */
  parents: Id[];
  /** Those of the parents that are versions of other models. */
  lineage: Lineage[];
  /** Name → value: the one that was given without a step, else the one at the last step. */
  metrics: Record<string, MetricValue>;
  /** Metrics that were given with steps: where the value in `metrics` is from, and the extremes. */
  metricSteps: Record<string, MetricSteps>;
  /** Name → value: a number, a boolean, a text or a list, as it was given. */
  params: Record<string, ParamValue>;
  /** The recorded operation that made it; null if none was. */
  operation: Operation | null;
  /** Last step of its weight snapshots, or null if none is known. */
  step: number | null;
  /** HEAD, branches (model/branch), tags (tag: name) and remote branches that name it. */
  refs: string[];
  /** Tiers that replace exact files of it, as 'bf16' or 'bf16+fixed8'; null if all are exact. */
  tier: string | null;
}

/** ISO 8601 with the zone of the author: '2026-01-31T12:00:00.000+02:00'. */
export function formatMoment(time: number, tzMinutes: number): string {
  const local = new Date(time + tzMinutes * 60_000).toISOString().slice(0, -1);
  const away = Math.abs(tzMinutes);
  const two = (value: number): string => String(value).padStart(2, '0');
  const zone = `${tzMinutes < 0 ? '-' : '+'}${two(Math.floor(away / 60))}:${two(away % 60)}`;
  return tzMinutes === 0 ? `${local}Z` : `${local}${zone}`;
}

/** A ref as people read it: 'bert/main', 'tag: v1', 'origin/bert/main'. */
export function shortRef(name: string): string {
  if (name.startsWith('refs/tags/')) return `tag: ${name.slice('refs/tags/'.length)}`;
  return name.replace(/^refs\/(heads|remotes)\//, '');
}

/** The last step among snapshots, those of weights first. */
function lastStep(snapshots: readonly Pick<Snapshot, 'role' | 'step'>[]): number | null {
  const weights = snapshots.filter(({ role }) => role === 'weights');
  let last: number | null = null;
  for (const { step } of weights.length > 0 ? weights : snapshots) {
    if (step !== null && step > (last ?? -1)) last = step;
  }
  return last;
}

/** What lists need of one page of files. */
interface PageContent {
  steps: Pick<Snapshot, 'role' | 'step'>[];
  /** A file of it may define a network, by its name alone. */
  mayDefine: boolean;
}

function contentOfPage(page: FilePage): PageContent {
  return {
    steps: page.snapshots.map(({ role, step }) => ({ role, step })),
    mayDefine: definingCandidates(page).some(({ path }) => mayDefineNetwork(path)),
  };
}

/** Gives what lists say of a version. @throws {NotFoundError} {CorruptError} */
type ReadFacts = (id: Id) => Promise<VersionFacts>;

/**
 * The catalog of a repository, for lists of many versions; call its `save` when all are read.
 * @param options  see VersionCatalog.
 */
export function openCatalog(repo: ReadAccess, options: { needs?: boolean } = {}): VersionCatalog {
  const steps = new Describer(repo);
  const source = {
    layout: repo.layout,
    version: (id: Id) => repo.version(id),
    contentOf: (version: Version) => steps.content(version.tree),
  };
  return new VersionCatalog(source, options);
}

/** Describes versions of one repository. */
export class Describer {
  readonly #repo: ReadAccess;
  readonly #read: readonly Ref[] | undefined;
  readonly #facts: ReadFacts | null;
  readonly #names: VersionNames;
  readonly #pages = new LruCache<Id, FilePage>(PAGE_CACHE_ITEMS);
  readonly #contents = new Map<string, PageContent>();
  readonly #shortRefs = new Map<Id, string[]>();
  #refs: Promise<Map<Id, string[]>> | null = null;
  #noted: Promise<Set<Id>> | null = null;

  /**
   * @param read   all refs, where the caller has read them: some repositories have thousands.
   * @param facts  gives what is said of a version; default: of the version itself.
   */
  constructor(repo: ReadAccess, read?: readonly Ref[], facts?: ReadFacts) {
    this.#repo = repo;
    this.#read = read;
    this.#facts = facts ?? null;
    this.#names = new VersionNames(repo, facts);
  }

  async #factsOf(id: Id): Promise<VersionFacts> {
    if (this.#facts !== null) return this.#facts(id);
    const version = await this.#repo.version(id);
    return factsOf(id, version, await this.content(version.tree));
  }

  /** Full names of the refs that name each version, 'HEAD' among them. */
  refs(): Promise<Map<Id, string[]>> {
    this.#refs ??= (async () => {
      const { layout } = this.#repo;
      const refs = refsByVersion(this.#read ?? (await listRefs(layout)));
      const head = await resolveHead(layout);
      if (head !== null) refs.set(head, ['HEAD', ...(refs.get(head) ?? [])]);
      return refs;
    })();
    return this.#refs;
  }

  /** Label of the tiers of a version; null if it is exact. Most have no notes: none is read then. */
  async tier(id: Id): Promise<string | null> {
    this.#noted ??= listNotedVersions(this.#repo.layout).then((ids) => new Set(ids));
    return (await this.#noted).has(id) ? ((await this.#repo.tier(id))?.label ?? null) : null;
  }

  /** n of `model@n`. */
  number(id: Id): Promise<number> {
    return this.#names.number(id);
  }

  /** A revision that names a version, whatever HEAD is on: see VersionSummary. */
  name(id: Id): Promise<string> {
    return this.#names.name(id);
  }

  /**
   * What stored text calls a version: its id, after `model@number` if no other version here has that number now.
   * Another clone may bring one; the id stays.
   */
  async lastingName(id: Id): Promise<string> {
    const name = await this.name(id);
    const { model } = await this.#repo.version(id);
    return name === `${model}@${await this.number(id)}` ? `${name} (${shortId(id)})` : shortId(id);
  }

  /** A version with what it is called, as lists of versions hold it. */
  async called(id: Id): Promise<CalledVersion> {
    const { model } = await this.#repo.version(id);
    return { version: id, model, number: await this.number(id), name: await this.name(id) };
  }

  /** Pages of a tree; each page is read once for all versions that share it. */
  async *pages(tree: FileTree): AsyncGenerator<FilePage> {
    if (tree.inline !== null) yield tree.inline;
    for (const index of tree.pages.keys()) yield this.#page(tree, index);
  }

  async #page(tree: FileTree, index: number): Promise<FilePage> {
    const { id } = tree.pages[index] as PageRef;
    const known = this.#pages.get(id);
    if (known !== undefined) checkPlace(tree, index, known);
    const page = known ?? (await readPageAt(tree, index, this.#repo));
    this.#pages.set(id, page);
    return page;
  }

  /** Last step of the weights of a version; reads the pages of its files that are new to it. */
  async step(tree: FileTree): Promise<number | null> {
    return (await this.content(tree)).step;
  }

  /** What lists need to know of the files of a version; reads the pages that are new to it. */
  async content(tree: FileTree): Promise<{ step: number | null; mayDefine: boolean }> {
    const found: PageContent[] = [];
    if (tree.inline !== null) found.push(contentOfPage(tree.inline));
    else {
      for (const [index, { id, count, last }] of tree.pages.entries()) {
        // With all that its tree says of it: a page that another tree describes in another way is looked at again.
        const isLast = index === tree.pages.length - 1;
        const key = [id, count, last, tree.pages[index - 1]?.last, isLast].join('\0');
        const content = this.#contents.get(key) ?? contentOfPage(await this.#page(tree, index));
        this.#contents.set(key, content);
        found.push(content);
      }
    }
    return {
      step: lastStep(found.flatMap(({ steps }) => steps)),
      mayDefine: found.some(({ mayDefine }) => mayDefine),
    };
  }

  async describe(id: Id): Promise<VersionSummary> {
    const version = await this.#factsOf(id);
    const { knowledge } = version;
    return {
      version: id,
      model: version.model,
      number: await this.number(id),
      name: await this.name(id),
      message: version.message,
      author: formatAuthor(version.author),
      time: formatMoment(version.time, version.tzMinutes),
      parents: version.parents,
      lineage: await this.lineage(version),
      metrics: wholeMetrics(version.metrics),
      metricSteps: metricSteps(version.metrics, knowledge.metrics),
      params: typedParams(version),
      operation: knowledge.operation,
      step: version.step,
      refs: await this.shortRefs(id),
      tier: await this.tier(id),
    };
  }

  /** One array for all who ask: thousands of branches may name one version. */
  async shortRefs(id: Id): Promise<string[]> {
    let short = this.#shortRefs.get(id);
    if (short === undefined) {
      short = ((await this.refs()).get(id) ?? []).map(shortRef);
      this.#shortRefs.set(id, short);
    }
    return short;
  }

  /** Versions of other models that a version derives from, one for each such parent. */
  async lineage(version: Pick<Version, 'model' | 'parents'>): Promise<Lineage[]> {
    const lineage: Lineage[] = [];
    const read = this.#facts ?? ((id: Id) => this.#repo.version(id));
    for (const parent of version.parents) {
      const { model } = await read(parent);
      if (model !== version.model) lineage.push(await this.called(parent));
    }
    return lineage;
  }
}
