/** `dlv status`: what is staged, what changed since, what is not tracked. Reads no file contents. */
import type { Repository } from '../archive/repository.js';
import { ReadFile, statOrNull } from '../bytes/files.js';
import { sha256 } from '../bytes/hash.js';
import type { FileEntry } from '../repo/file-page.js';
import { comparePaths } from '../repo/path.js';
import { isClean, type StagedEntry } from '../repo/staging.js';
import { readStaging } from '../repo/staging-file.js';
import type { OpContext } from './context.js';
import { currentLine, type Line } from './lines.js';
import { walkFiles } from './work-tree.js';

export interface PathChange {
  path: string;
  status: 'added' | 'modified' | 'deleted';
}

export interface ModelStatus {
  model: string;
  branch: string | null;
  /** Version that the line stands on. */
  version: string | null;
  /** True for HEAD's model. */
  current: boolean;
  /** Staged files against the version. */
  staged: PathChange[];
  /** Work tree against the staged files. */
  unstaged: PathChange[];
  trackedFiles: number;
}

export interface StatusResult {
  head: { model: string; branch: string | null; version: string | null };
  models: ModelStatus[];
  untracked: string[];
  /** True if nothing is staged, changed or untracked. */
  clean: boolean;
  warnings: string[];
}

const READ_BYTES = 4 * 1024 * 1024;

/** Compares version, staging and work tree of every model line. */
export async function status(repo: Repository, context: OpContext): Promise<StatusResult> {
  const { staging, writtenNs } = await readStaging(repo.layout);
  const head = await currentLine(repo, staging);
  const models: ModelStatus[] = [];
  const names = new Set([head.model, ...staging.models().map((line) => line.model)]);
  for (const model of [...names].sort(comparePaths)) {
    const line = await currentLine(repo, staging, model);
    const entries = staging.entries(model);
    models.push({
      model,
      branch: line.branch,
      version: line.tip,
      current: model === head.model,
      staged: await stagedChanges(repo, line, entries),
      unstaged: await workChanges(repo, entries, writtenNs, context),
      trackedFiles: entries.length,
    });
  }
  const tracked = new Set(models.flatMap(({ model }) => staging.entries(model).map((e) => e.path)));
  const untracked: string[] = [];
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  const signal = context.signal ? { signal: context.signal } : {};
  for await (const path of walkFiles(repo.layout, '', { tracked, warn, ...signal })) {
    if (!tracked.has(path)) untracked.push(path);
  }
  const busy = models.some((m) => m.staged.length + m.unstaged.length > 0);
  return {
    head: { model: head.model, branch: head.branch, version: head.tip },
    models,
    untracked: untracked.sort(comparePaths),
    clean: !busy && untracked.length === 0,
    warnings,
  };
}

/** Staged files of a line against the files of its tip. */
export async function stagedChanges(
  repo: Repository,
  line: Line,
  entries: readonly StagedEntry[],
): Promise<PathChange[]> {
  const files = line.tip === null ? [] : (await repo.tree(line.tip)).files;
  const before = new Map<string, FileEntry>(files.map((file) => [file.path, file]));
  const changes: PathChange[] = [];
  for (const entry of entries) {
    const old = before.get(entry.path);
    before.delete(entry.path);
    if (old === undefined) changes.push({ path: entry.path, status: 'added' });
    else if (old.sha256 !== entry.sha256 || old.mode !== entry.mode) {
      changes.push({ path: entry.path, status: 'modified' });
    }
  }
  for (const path of before.keys()) changes.push({ path, status: 'deleted' });
  return changes.sort((a, b) => comparePaths(a.path, b.path));
}

async function workChanges(
  repo: Repository,
  entries: readonly StagedEntry[],
  writtenNs: bigint,
  context: OpContext,
): Promise<PathChange[]> {
  const changes: PathChange[] = [];
  for (const entry of entries) {
    const state = await workState(repo, entry, writtenNs, context.signal);
    if (state !== 'same') changes.push({ path: entry.path, status: state });
  }
  return changes;
}

/**
 * How a work file differs from its staged entry. Only a file whose times prove nothing, of equal
 * size, is read.
 */
export async function workState(
  repo: Repository,
  entry: StagedEntry,
  writtenNs: bigint,
  signal?: AbortSignal,
): Promise<'same' | 'modified' | 'deleted'> {
  const there = await statOrNull(repo.layout.workFile(entry.path));
  if (there === null) return 'deleted';
  if (!there.isFile || there.stat.size !== entry.size) return 'modified';
  const executable = (there.stat.mode & 0o100) !== 0;
  if (executable !== (entry.mode === 0o755)) return 'modified';
  if (isClean(entry, there.stat, writtenNs)) return 'same';
  return (await hashFile(repo.layout.workFile(entry.path), signal)) === entry.sha256
    ? 'same'
    : 'modified';
}

/** Hex sha256 of a file. */
export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const source = await ReadFile.open(file);
  try {
    const hash = sha256();
    for (let at = 0; at < source.size; at += READ_BYTES) {
      signal?.throwIfAborted();
      hash.update(await source.read(at, Math.min(READ_BYTES, source.size - at)));
    }
    return hash.digest('hex');
  } finally {
    await source.close();
  }
}
