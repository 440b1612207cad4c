/**
 * What `diff` compares: a version, the staged files or the work tree, as files and snapshots whose
 * tensors are opened only when they are needed.
 */

import type { ByteSource } from '../../base/bytes/byte-source.js';
import type { Id } from '../../base/bytes/hash.js';
import { ChangedError, UsageError } from '../../base/errors.js';
import { type FileStat, ReadFile, sameStat, statOrNull } from '../../base/files/files.js';
import { readLayout } from '../../pure/formats/detect.js';
import type { FileLayout } from '../../pure/tensor/layout.js';
import { openStoredFile } from '../../storage/objects/stored-file.js';
import { type StoredTensor, tensorsOf, tensorsOfFile } from '../../storage/objects/tensors.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { FileEntry, Snapshot } from '../../storage/repo/version/file-page.js';
import { makeSnapshots } from '../../storage/repo/version/snapshots.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { currentLine, needTip } from '../history/lines/lines.js';
import { resolveId } from '../history/lines/resolve.js';
import { hashFile, workState } from './changes.js';
import { selectPaths } from './select-paths.js';

export interface DiffOptions {
  /** None: work tree against staging. One: work tree against it. Two: the second against the first. */
  revisions?: string[];
  /** Staging instead of the work tree; against HEAD's version if no revision is given. */
  staged?: boolean;
  model?: string;
  /** Only files at or below these paths, and snapshots with such a file. */
  paths?: string[];
  /** Only files, no tensors. */
  filesOnly?: boolean;
  /** Lists tensors that are equal as well. */
  all?: boolean;
}

export interface DiffFile {
  size: number;
  sha256: string;
  mode: number;
  /** Tensors of the file, opened at the first call. */
  tensors(): Promise<StoredTensor[]>;
}

export interface DiffSide {
  label: string;
  version: Id | null;
  /** Tiers that stand for exact files of it. */
  tier: string | null;
  files: Map<string, DiffFile>;
  snapshots: Snapshot[];
}

/** Opens the two sides that the options name. No file stays open. */
export async function openSides(
  repo: LineAccess,
  options: DiffOptions,
  context: OpContext,
): Promise<{ before: DiffSide; after: DiffSide }> {
  const [first, second, ...rest] = options.revisions ?? [];
  if (rest.length > 0 || (options.staged && second !== undefined)) {
    throw new UsageError('too many revisions', { hint: "as in 'dlv diff HEAD~1 HEAD'" });
  }
  let before: DiffSide;
  let after: DiffSide;
  if (second !== undefined) {
    before = await versionSide(repo, await resolveId(repo, first as string), first as string);
    after = await versionSide(repo, await resolveId(repo, second), second);
  } else {
    const { staging, writtenNs } = await readStaging(repo.layout);
    const version = first === undefined ? null : await resolveId(repo, first);
    const model =
      options.model ?? (version === null ? undefined : (await repo.version(version)).model);
    const line = await currentLine(repo, staging, model);
    const entries = staging.entries(line.model);
    if (version !== null) before = await versionSide(repo, version, first as string);
    else if (options.staged) before = await versionSide(repo, needTip(line), 'HEAD');
    else before = stagedSide(repo, entries);
    after = options.staged
      ? stagedSide(repo, entries)
      : await workSide(repo, entries, writtenNs, context);
  }
  if (options.paths && options.paths.length > 0) {
    const known = new Set([...before.files.keys(), ...after.files.keys()]);
    const label = 'either side';
    const wanted = selectPaths(repo.layout, context.cwd, options.paths, [...known], label);
    narrow([before, after], wanted);
  }
  return { before, after };
}

/** Keeps the wanted files, and the snapshots that have no others. */
function narrow(sides: readonly DiffSide[], wanted: ReadonlySet<string>): void {
  for (const side of sides) {
    for (const path of [...side.files.keys()]) if (!wanted.has(path)) side.files.delete(path);
    side.snapshots = side.snapshots.filter((snapshot) =>
      snapshot.members.every((path) => side.files.has(path)),
    );
  }
}

function storedFile(repo: LineAccess, entry: FileEntry): DiffFile {
  let tensors: Promise<StoredTensor[]> | null = null;
  return {
    size: entry.size,
    sha256: entry.sha256,
    mode: entry.mode,
    tensors() {
      tensors ??= openStoredFile(repo, entry).then(tensorsOf);
      return tensors;
    },
  };
}

async function versionSide(repo: LineAccess, id: Id, label: string): Promise<DiffSide> {
  const tree = await repo.tree(id);
  return {
    label,
    version: id,
    tier: (await repo.tier(id))?.label ?? null,
    files: new Map(tree.files.map((entry) => [entry.path, storedFile(repo, entry)])),
    snapshots: tree.snapshots,
  };
}

function stagedSide(repo: LineAccess, entries: readonly StagedEntry[]): DiffSide {
  return {
    label: 'staged',
    version: null,
    tier: null,
    files: new Map(entries.map((entry) => [entry.path, storedFile(repo, entry)])),
    snapshots: makeSnapshots(entries),
  };
}

/**
 * A work file that is opened for each read: hundreds of changed files stay below the limit of open
 * ones. @throws {ChangedError} from `read` if it is not the file that was opened first.
 */
class WorkSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: string;
  readonly #stat: FileStat;

  constructor(file: string, name: string, stat: FileStat) {
    this.name = name;
    this.size = stat.size;
    this.#file = file;
    this.#stat = stat;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const source = await ReadFile.open(this.#file, this.name);
    try {
      if (!sameStat(source.stat, this.#stat)) {
        throw new ChangedError(`'${this.name}' changed while it was compared`, {
          file: this.name,
          hint: 'wait until nothing writes the file, then run the command again',
        });
      }
      return await source.read(offset, length);
    } finally {
      await source.close();
    }
  }
}

async function readWorkFile(
  file: string,
  name: string,
  context: OpContext,
): Promise<{ source: WorkSource; layout: FileLayout }> {
  const opened = await ReadFile.open(file, name);
  try {
    const layout = await readLayout(opened, context.signal);
    return { source: new WorkSource(file, name, opened.stat), layout };
  } finally {
    await opened.close();
  }
}

/** Tracked files as they are in the work tree; unchanged ones are taken from the packs. */
async function workSide(
  repo: LineAccess,
  entries: readonly StagedEntry[],
  writtenNs: bigint,
  context: OpContext,
): Promise<DiffSide> {
  const files = new Map<string, DiffFile>();
  const hints: StagedEntry[] = [];
  for (const entry of entries) {
    const state = await workState(repo, entry, writtenNs, context.signal);
    if (state === 'deleted') continue;
    if (state === 'same') {
      files.set(entry.path, storedFile(repo, entry));
      hints.push(entry);
      continue;
    }
    const file = repo.layout.workFile(entry.path);
    const there = await statOrNull(file);
    if (!there?.isFile) continue;
    const { source, layout } = await readWorkFile(file, entry.path, context);
    files.set(entry.path, {
      size: source.size,
      sha256: await hashFile(file, context.signal),
      mode: there.stat.mode & 0o100 ? 0o755 : 0o644,
      tensors: async () => tensorsOfFile(source, layout),
    });
    hints.push({
      ...entry,
      format: layout.format,
      step: layout.step,
      hint: {
        references: entry.hint.references,
        roles: [...new Set(layout.tensors.map((t) => t.role))],
      },
    });
  }
  const snapshots = makeSnapshots(hints);
  return { label: 'work tree', version: null, tier: null, files, snapshots };
}
