/**
 * The input of an archive run: every extent that versions need, how each is stored now, which
 * snapshots need it, and which other extents it is probably close to.
 *
 * Reads recipes and indexes, no planes. Extents are numbered from 1, like the vertices of a storage
 * graph. Start at `surveyRepository`.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import type { Role } from '../../pure/tensor/layout.js';
import { extentsOf } from '../../pure/tensor/recipe-extents.js';
import { BaseGraph } from '../ingest/bases/base-graph.js';
import { tensorKey } from '../ingest/bases/named-bases.js';
import type { ReadAccess } from '../objects/access.js';
import { openStoredFile } from '../objects/stored/stored-file.js';
import type { FileEntry, Snapshot } from '../repo/version/file-page.js';
import { NumberedExtents, type SurveyedExtent } from './numbered-extents.js';
import { versionsInOrder } from './versions-in-order.js';

/** One snapshot of one version: extents that are wanted together. */
export interface SurveyedSnapshot {
  readonly version: Id;
  readonly model: string;
  readonly key: string;
  readonly role: Role;
  readonly step: number | null;
  /** Vertices, ascending, each once. */
  readonly extents: readonly number[];
}

export interface Survey {
  /** Vertex v is extents[v − 1]. */
  readonly extents: readonly SurveyedExtent[];
  /** Oldest version first. */
  readonly snapshots: readonly SurveyedSnapshot[];
  /** Which extents may be close: lineage, names, present bases. */
  readonly near: BaseGraph;
}

export interface SurveyOptions {
  /** Versions to look at with all their ancestors. Default: what refs and HEAD name. */
  readonly versions?: readonly Id[];
  readonly signal?: AbortSignal;
}

/** @throws {NotFoundError} {CorruptError} if something that a version names cannot be read. */
export async function surveyRepository(
  repo: ReadAccess,
  options: SurveyOptions = {},
): Promise<Survey> {
  const surveyor = new Surveyor(repo, options.signal);
  const order = await versionsInOrder(repo, options.versions);
  // Names of a version are wanted until its last child was looked at.
  const children = new Map<Id, number>();
  for (const id of order) {
    for (const parent of new Set((await repo.version(id)).parents)) {
      children.set(parent, (children.get(parent) ?? 0) + 1);
    }
  }
  for (const id of order) {
    await surveyor.addVersion(id);
    for (const parent of new Set((await repo.version(id)).parents)) {
      const left = (children.get(parent) as number) - 1;
      children.set(parent, left);
      if (left === 0) surveyor.forget(parent);
    }
    if (!children.has(id)) surveyor.forget(id);
  }
  return surveyor.finish();
}

/** Elements that two lengths of one tensor have in common, as a share of the longer. */
const LEAST_SHARE = 0.5;

/** A tensor of a version: where it stands, for its children to find it. */
interface NamedTensors {
  /** path, role and name → vertex. */
  readonly byPath: Map<string, number>;
  /** role and name → vertices, latest step last. */
  readonly byName: Map<string, number[]>;
}

/** Tensors of one file by role: key and vertex. */
type FileTensors = Map<Role, { key: string; vertex: number }[]>;

class Surveyor {
  readonly #repo: ReadAccess;
  readonly #signal: AbortSignal | undefined;
  readonly #extents: NumberedExtents;
  readonly #snapshots: SurveyedSnapshot[] = [];
  readonly #near = new BaseGraph();
  readonly #names = new Map<Id, NamedTensors>();
  readonly #files = new Map<Id, FileTensors>();

  constructor(repo: ReadAccess, signal: AbortSignal | undefined) {
    this.#repo = repo;
    this.#signal = signal;
    this.#extents = new NumberedExtents(repo, this.#near);
  }

  finish(): Survey {
    return { extents: this.#extents.all, snapshots: this.#snapshots, near: this.#near };
  }

  /** Drops the names of a version: none of its children is still to come. */
  forget(version: Id): void {
    this.#names.delete(version);
  }

  async addVersion(id: Id): Promise<void> {
    throwIfAborted(this.#signal);
    const version = await this.#repo.version(id);
    const { files: all, snapshots } = await this.#repo.tree(id);
    // What was given up needs no place in a plan.
    const files = all.filter(({ tombstone }) => tombstone === undefined);
    const byPath = new Map(files.map((file) => [file.path, file]));
    const own: NamedTensors = { byPath: new Map(), byName: new Map() };
    const parents = version.parents.map((parent) => this.#names.get(parent)).filter(isThere);
    for (const snapshot of [...snapshots].sort((a, b) => (a.step ?? -1) - (b.step ?? -1))) {
      const vertices = await this.#addSnapshot(snapshot, byPath, own, parents);
      if (vertices.length === 0) continue;
      const { key, role, step } = snapshot;
      this.#snapshots.push({
        version: id,
        model: version.model,
        key,
        role,
        step,
        extents: vertices,
      });
    }
    this.#names.set(id, own);
  }

  async #addSnapshot(
    snapshot: Snapshot,
    files: ReadonlyMap<string, FileEntry>,
    own: NamedTensors,
    parents: readonly NamedTensors[],
  ): Promise<number[]> {
    const vertices = new Set<number>();
    for (const path of snapshot.members) {
      const file = files.get(path);
      if (file === undefined) continue;
      const tensors = (await this.#tensorsOf(file)).get(snapshot.role) ?? [];
      for (const { key, vertex } of tensors) {
        vertices.add(vertex);
        this.#joinNear(vertex, { path, key }, own, parents);
      }
    }
    return [...vertices].sort((a, b) => a - b);
  }

  /** Joins a tensor to its namesakes: those of the parents, then the one of the step before. */
  #joinNear(
    vertex: number,
    { path, key }: { path: string; key: string },
    own: NamedTensors,
    parents: readonly NamedTensors[],
  ): void {
    const place = `${path}\0${key}`;
    for (const parent of parents) {
      this.#join(parent.byPath.get(place) ?? parent.byName.get(key)?.at(-1), vertex);
    }
    const earlier = own.byName.get(key);
    this.#join(earlier?.at(-1), vertex);
    if (earlier === undefined) own.byName.set(key, [vertex]);
    else if (earlier.at(-1) !== vertex) earlier.push(vertex);
    own.byPath.set(place, vertex);
  }

  #join(earlier: number | undefined, later: number): void {
    if (earlier === undefined || earlier === later) return;
    const [a, b] = [this.#extents.all[earlier - 1], this.#extents.all[later - 1]];
    if (a === undefined || b === undefined || a.width !== b.width) return;
    const [fewer, more] = [Math.min(a.count, b.count), Math.max(a.count, b.count)];
    if (fewer >= LEAST_SHARE * more) this.#near.join(earlier, later);
  }

  async #tensorsOf(file: FileEntry): Promise<FileTensors> {
    const known = this.#files.get(file.recipe.id);
    if (known !== undefined) return known;
    const tensors: FileTensors = new Map();
    const stored = await openStoredFile(this.#repo, file);
    const byPart = new Map<number, number>();
    for (const { id, width, count, part } of extentsOf(stored)) {
      byPart.set(part, await this.#extents.vertex(id, { width, count, isWanted: true }));
    }
    for (const { role, name, part } of stored.skeleton?.tensors ?? []) {
      const vertex = byPart.get(part);
      if (vertex === undefined) continue;
      const ofRole = tensors.get(role) ?? [];
      ofRole.push({ key: tensorKey(role, name), vertex });
      tensors.set(role, ofRole);
    }
    this.#files.set(file.recipe.id, tensors);
    return tensors;
  }
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}
