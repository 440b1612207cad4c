/**
 * Plans what rules do to the versions of a model: which stay, which lose all files or their training state, and
 * which recipes are given up then. A file that a version which stays has as well is not given up.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { NotFoundError } from '../../../base/errors.js';
import { factsOf } from '../../../knowledge/catalog/facts.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { Tombstones } from '../../../storage/objects/tombstones.js';
import type { ModelRules } from '../../../storage/repo/settings/keep-rules.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import { readTree } from '../../../storage/repo/version/file-tree.js';
import type { Version } from '../../../storage/repo/version/version.js';
import { collectVersions } from '../lines/ancestry.js';
import { nameTest } from '../lines/name-filters.js';
import { fileRoles } from '../steps/checkpoints.js';
import { STATE_ROLES } from '../steps/retention.js';
import { Describer } from '../versions.js';
import { chooseVersions, type KeepCandidate, type KeepChoice } from './choose-versions.js';

/** A version and what becomes of it. */
export interface KeptVersion {
  version: Id;
  model: string;
  number: number;
  /** A revision that names it, also where several versions have the number. */
  name: string;
  step: number | null;
  status: KeepStatus;
  /** Why it stays: 'last', 'best loss', 'every 1000', 'daily', 'HEAD', 'branch bert/main', 'tag v1', … */
  reasons: string[];
  /** Files that are given up, and their bytes as work files. */
  files: number;
  bytes: number;
  /** Of the bytes that are freed or become garbage: those of records that count for this version. */
  freedBytes: number;
}

/** Where versions are kept: here, or at a remote. */
export interface KeepPlace {
  readonly repo: ReadAccess;
  /** Branches, `model/branch`, and their tips. */
  readonly branches: readonly { name: string; tip: Id }[];
  /** All versions that are named there. */
  readonly versions: ReadonlyMap<Id, Version>;
  /** What keeps a version in any case. */
  readonly protectedBy: ReadonlyMap<Id, readonly string[]>;
  /** Versions that are kept and that no rule counts: work that was put aside. */
  readonly aside?: ReadonlySet<Id>;
  /** Recipes that are needed besides: those of staged files. */
  readonly neededRecipes: ReadonlySet<Id>;
  tombstonesOf(id: Id): Promise<Tombstones | null>;
}

/** What becomes of a version. 'gone': its files were given up before. */
export type KeepStatus = 'kept' | 'state given up' | 'given up' | 'gone';

export interface PlannedVersion extends Pick<KeepCandidate, 'id' | 'number' | 'name' | 'step'> {
  model: string;
  status: KeepStatus;
  /** Why it stays: 'last', 'best loss', 'every 1000', 'HEAD', 'tag v1', … */
  reasons: string[];
  /** Files that are given up, and their bytes as work files. */
  files: number;
  bytes: number;
  /** Their recipes. */
  recipes: Set<Id>;
}

/** Why a version stays that no rule keeps. */
const SAME_FILES = 'same files as a kept one';

/** The rules of each model that has some, by the first that name it. @throws {NotFoundError} if none has. */
export function rulesByModel(
  place: KeepPlace,
  rules: readonly ModelRules[],
): Map<string, ModelRules['rules']> {
  const found = new Map<string, ModelRules['rules']>();
  for (const { model } of place.versions.values()) {
    const own = found.has(model) ? undefined : rules.find((one) => nameTest([one.model])(model));
    if (own !== undefined) found.set(model, own.rules);
  }
  if (found.size > 0) return found;
  throw new NotFoundError('no model that has versions has rules', {
    kind: 'model',
    name: rules.map(({ model }) => model).join(', '),
    hint: "'dlv model' lists the models; 'dlv config keep.versions' shows the setting",
  });
}

/** @throws {NotFoundError} {UsageError} if a rule asks for what no version has. */
export async function planKeep(
  place: KeepPlace,
  rules: ReadonlyMap<string, ModelRules['rules']>,
  now: number,
  signal?: AbortSignal,
): Promise<PlannedVersion[]> {
  const choices = new Map<Id, KeepChoice & { candidate: KeepCandidate }>();
  const lines = await linesOf(place, signal);
  for (const [model, own] of rules) {
    const candidates = await candidatesOf(place, model, lines, signal);
    const branches = nameTest(own.branches ?? []);
    const options = { now, branches: (names: readonly string[]) => branches(...names) };
    const byId = new Map(candidates.map((one) => [one.id, one]));
    for (const [id, choice] of chooseVersions(candidates, own, options)) {
      choices.set(id, { ...choice, candidate: byId.get(id) as KeepCandidate });
    }
  }
  return planFiles(place, choices, signal);
}

/** By version, the branches whose line it is in. */
async function linesOf(
  { repo, branches }: KeepPlace,
  signal: AbortSignal | undefined,
): Promise<Map<Id, string[]>> {
  const lines = new Map<Id, string[]>();
  for (const { name, tip } of branches) {
    const names = [name, name.slice(name.indexOf('/') + 1)];
    for (const id of (await collectVersions(repo, [tip], { firstParent: true, signal })).keys()) {
      lines.set(id, [...(lines.get(id) ?? []), ...names]);
    }
  }
  return lines;
}

async function candidatesOf(
  { repo, versions, protectedBy, aside }: KeepPlace,
  model: string,
  lines: ReadonlyMap<Id, string[]>,
  signal: AbortSignal | undefined,
): Promise<KeepCandidate[]> {
  const describer = new Describer(repo);
  const candidates: KeepCandidate[] = [];
  for (const [id, version] of versions) {
    if (version.model !== model || aside?.has(id)) continue;
    throwIfAborted(signal);
    const content = await describer.content(version.tree);
    const { step, time, metrics, knowledge } = factsOf(id, version, content);
    const directions = new Map<string, 'min' | 'max'>();
    for (const { name, direction } of knowledge.metrics) {
      if (direction !== null) directions.set(name, direction);
    }
    candidates.push({
      id,
      number: await describer.number(id),
      name: await describer.name(id),
      time,
      step,
      metrics,
      directions,
      branches: lines.get(id) ?? [],
      protectedBy: protectedBy.get(id) ?? [],
    });
  }
  return candidates;
}

/** Which files go, once it is known which versions do. */
async function planFiles(
  place: KeepPlace,
  choices: ReadonlyMap<Id, KeepChoice & { candidate: KeepCandidate }>,
  signal: AbortSignal | undefined,
): Promise<PlannedVersion[]> {
  const { repo, versions } = place;
  const staying = new Set(place.neededRecipes);
  const going = new Map<Id, FileEntry[]>();
  for (const [id, { tree }] of versions) {
    throwIfAborted(signal);
    const page = await readTree(tree, repo);
    const choice = choices.get(id);
    const roles = fileRoles(page.files, page.snapshots);
    const isGoing = ({ path }: FileEntry): boolean => {
      if (choice === undefined) return false;
      if (choice.reasons.length === 0) return true;
      return !choice.keepsState && STATE_ROLES.has(roles.get(path) ?? 'other');
    };
    const goes = page.files.filter(isGoing);
    // A version that is nothing but training state would be left empty.
    const isWhole = choice !== undefined && choice.reasons.length > 0;
    if (isWhole && goes.length === page.files.length) goes.length = 0;
    for (const file of page.files) if (!goes.includes(file)) staying.add(file.recipe.id);
    going.set(id, goes);
  }
  const planned: PlannedVersion[] = [];
  for (const [id, { candidate, reasons }] of choices) {
    const before = await place.tombstonesOf(id);
    const goes = going.get(id) ?? [];
    const fresh = goes.filter(
      ({ recipe }) => !staying.has(recipe.id) && (before === null || before.of(recipe.id) === null),
    );
    const isGone = before !== null && fresh.length === 0;
    const { model } = versions.get(id) as Version;
    // What no rule keeps loses nothing where every file of it is in a version that stays.
    if (reasons.length === 0 && before === null && fresh.length === 0) reasons.push(SAME_FILES);
    const isKept = reasons.length > 0;
    const status = fresh.length === 0 && isKept ? 'kept' : isKept ? 'state given up' : 'given up';
    planned.push({
      id,
      model,
      number: candidate.number,
      name: candidate.name,
      step: candidate.step,
      status: isGone && !isKept ? 'gone' : status,
      reasons,
      files: fresh.length,
      bytes: fresh.reduce((sum, { size }) => sum + size, 0),
      recipes: new Set(fresh.map(({ recipe }) => recipe.id)),
    });
  }
  return planned.sort((a, b) =>
    a.model < b.model ? -1 : a.model > b.model ? 1 : b.number - a.number,
  );
}
