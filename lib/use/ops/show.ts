/** `dlv show`: everything that a version records, or how one of its files is stored. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import type { DType } from '../../pure/tensor/dtype.js';
import type { Role } from '../../pure/tensor/layout.js';
import { tensorBytes, tensorsOf } from '../../storage/objects/stored/tensors.js';
import { tagNotes } from '../../storage/objects/tag-notes.js';
import { readNotes } from '../../storage/repo/refs/refs.js';
import { formatAuthor } from '../../storage/repo/settings/author.js';
import { type NamedText, readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { GitState } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import type { KeptEvaluation } from '../evaluation/kept-evaluations.js';
import { type FileMode, modeText } from '../history/diff/files.js';
import { fileOf } from '../history/find-file.js';
import { type NamedTensor, uniqueNames } from '../history/find-tensors.js';
import { resolveId } from '../history/lines/resolve.js';
import {
  type ShownFile,
  type ShownSeries,
  type ShownSnapshot,
  type ShownTier,
  shownFiles,
  shownSeries,
  shownTiers,
} from '../history/shown-files.js';
import {
  type ChangeDetail,
  type VersionChanges,
  versionChanges,
} from '../history/version-changes.js';
import { type MetricValue, metricValue } from '../history/version-values.js';
import { Describer, formatMoment, type VersionSummary } from '../history/versions.js';
import type { Repository } from '../repository.js';

export type { KeptEvaluation } from '../evaluation/kept-evaluations.js';

/** One measured number. */
export interface ShownMetric {
  name: string;
  step: number | null;
  value: MetricValue;
}

/** The message of a tag. */
export interface ShownTag {
  tag: string;
  message: string;
  author: string;
  time: string;
}

export interface ShowResult extends VersionSummary {
  files: ShownFile[];
  logicalBytes: number;
  snapshots: ShownSnapshot[];
  /** Series of checkpoints; their files are among `files` too. */
  checkpoints: ShownSeries[];
  /** Measured numbers that it lists; of a long series of a log the last, the least and the most. */
  series: ShownMetric[];
  /** Logs that came with it; 'dlv cat --log' writes one. The series of metrics are not among them. */
  logs: { name: string; bytes: number }[];
  /** Facts about the machine and the programs that made it. */
  environment: Record<string, string>;
  /** Ids of data sets. */
  data: Record<string, string>;
  git: GitState | null;
  /** Tiers that replace exact files, the oldest first. */
  tiers: ShownTier[];
  /** Ids of notes made later. */
  notes: Id[];
  /** What was said when tags were made that name it. */
  tagged: ShownTag[];
  /** What notes say of evaluations, the oldest first. */
  evaluations: KeptEvaluation[];
  /** What it changed against its first parent; left out unless that was asked for. */
  changes?: VersionChanges;
}

/** One tensor of a file. */
export interface ShownTensor {
  name: string;
  role: Role;
  dtype: DType;
  shape: number[];
  bytes: number;
  /** 'extent', 'literal' (small, kept with its neighbours) or 'none' (no elements). */
  kind: 'extent' | 'literal' | 'none';
  /** Id of the extent, or null. */
  extent: Id | null;
}

export interface ShowFolderResult {
  version: Id;
  path: string;
  files: ShownFile[];
  logicalBytes: number;
  snapshots: ShownSnapshot[];
  checkpoints: ShownSeries[];
}

export interface ShowFileResult {
  version: Id;
  path: string;
  mode: FileMode;
  size: number;
  sha256: string;
  /** Tier that the file is kept as, and sha256 and tensors are of; null if it is exact. */
  tier: string | null;
  /** Git's blob id, for files up to 10 MB. */
  gitSha1: string | null;
  /** 'safetensors', 'onnx', … or 'blob'. */
  format: string;
  recipe: { kind: 'blob' | 'recipe'; id: Id };
  /** Extents that the file is made of. */
  extents: number;
  /** Bytes of all its tensors; views of the same bytes count each. */
  tensorBytes: number;
  tensors: ShownTensor[];
}

/** A tensor and the file that it is in. */
export interface ListedTensor extends ShownTensor {
  path: string;
}

/** Tensors of all files of a version, or of one. @throws {NotFoundError} {UsageError} */
export async function listTensors(
  repo: Repository,
  options: { revision: string; path?: string },
  context: OpContext,
): Promise<ListedTensor[]> {
  const version = await resolveId(repo, options.revision);
  const files =
    options.path === undefined
      ? (await repo.tree(version)).files
      : [await fileOf(repo, version, options.path)];
  const tensors: ListedTensor[] = [];
  for (const file of files) {
    throwIfAborted(context.signal);
    const stored = tensorsOf(await repo.openFile(file));
    pushAll(
      tensors,
      uniqueNames(stored).map((one) => ({ path: file.path, ...shownTensor(one) })),
    );
  }
  return tensors;
}

/** All that a version says. @throws {NotFoundError} {UsageError} {AmbiguousError} */
export async function show(
  repo: Repository,
  revision: string,
  context: OpContext,
  options: { changes?: ChangeDetail } = {},
): Promise<ShowResult> {
  const id = await resolveId(repo, revision);
  const version = await repo.version(id);
  const { files, snapshots } = await repo.tree(id);
  const { changes: detail } = options;
  const knowledge = readKnowledge(version.extensions, `version ${shortId(id)}`);
  const changes = detail && (await versionChanges(repo, id, { detail }, context));
  const summary = await new Describer(repo).describe(id);
  return {
    ...summary,
    ...shownFiles(files, snapshots),
    logicalBytes: version.tree.bytes,
    checkpoints: await shownSeries(repo, id, { files, snapshots }, context),
    series: version.metrics.map(({ name, step, value }) => ({
      name,
      step,
      value: metricValue(value),
    })),
    logs: version.logs
      .filter(({ name }) => name !== knowledge.series)
      .map(({ name, bytes }) => ({ name, bytes })),
    environment: namedTexts(knowledge.environment),
    data: namedTexts(knowledge.data),
    git: version.git,
    tiers: shownTiers(await repo.tier(id), files),
    ...(await notesAbout(repo, id, summary.refs, context)),
    ...(changes ? { changes } : {}),
  };
}

async function notesAbout(
  repo: Repository,
  version: Id,
  refs: readonly string[],
  context: OpContext,
): Promise<Pick<ShowResult, 'notes' | 'tagged' | 'evaluations'>> {
  const notes = await readNotes(repo.layout, version);
  if (notes.length === 0) return { notes, tagged: [], evaluations: [] };
  const { keptEvaluations } = await import('../evaluation/kept-evaluations.js');
  const tagged: ShownTag[] = [];
  for (const [tag, { message, author, time, tzMinutes }] of await tagNotes(repo, version)) {
    if (!refs.includes(`tag: ${tag}`)) continue;
    const moment = formatMoment(time, tzMinutes);
    tagged.push({ tag, message, author: formatAuthor(author), time: moment });
  }
  tagged.sort((a, b) => (a.tag < b.tag ? -1 : 1));
  return { notes, tagged, evaluations: await keptEvaluations(repo, version, context) };
}

function namedTexts(rows: readonly NamedText[]): Record<string, string> {
  return Object.fromEntries(rows.map(({ name, text }) => [name, text]));
}

/** A file of a version, or what a folder holds. @throws {NotFoundError} */
export async function showPath(
  repo: Repository,
  revision: string,
  path: string,
  context: OpContext,
): Promise<ShowFileResult | ShowFolderResult> {
  const version = await resolveId(repo, revision);
  const page = await repo.tree(version);
  const folder = path.replace(/\/+$/, '');
  const files = page.files.filter((file) => file.path.startsWith(`${folder}/`));
  if (files.length === 0 || folder === '') return showFile(repo, revision, path, context);
  const snapshots = page.snapshots.filter(({ key }) => key.startsWith(`${folder}/`));
  return {
    version,
    path: folder,
    ...shownFiles(files, snapshots),
    logicalBytes: files.reduce((sum, { size }) => sum + size, 0),
    checkpoints: (await shownSeries(repo, version, { files, snapshots }, context)).filter(
      // A folder that is a checkpoint itself is shown file by file.
      ({ checkpoints }) => checkpoints.every((one) => one.path.startsWith(`${folder}/`)),
    ),
  };
}

/** How a file is made: its format, its extents, its tensors. @throws {NotFoundError} */
export async function showFile(
  repo: Repository,
  revision: string,
  path: string,
  _context: OpContext,
): Promise<ShowFileResult> {
  const version = await resolveId(repo, revision);
  const entry = await fileOf(repo, version, path);
  const stored = await repo.openFile(entry);
  const tensors = uniqueNames(tensorsOf(stored)).map(shownTensor);
  return {
    version,
    path,
    mode: modeText(entry.mode),
    size: entry.size,
    sha256: entry.sha256,
    tier: entry.tier?.name ?? null,
    gitSha1: entry.gitSha1,
    format: stored.skeleton?.format ?? 'blob',
    recipe: entry.recipe,
    extents: stored.recipe?.extents.length ?? 0,
    tensorBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    tensors,
  };
}

function shownTensor({ name, tensor }: NamedTensor): ShownTensor {
  const { role, dtype, shape, home } = tensor;
  const extent = home.kind === 'extent' ? home.id : null;
  const kind = home.kind === 'extent' || home.kind === 'none' ? home.kind : 'literal';
  return { name, role, dtype, shape, bytes: tensorBytes(tensor), kind, extent };
}
