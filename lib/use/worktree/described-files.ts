/**
 * Files whose tensors other files describe: external data of ONNX models, shards whose names are in a metadata
 * file. If what describes them changes, they have to be laid out anew though their bytes are as they were.
 */
import { isUnreadable } from '../../base/errors.js';
import { isMissing, ReadFile } from '../../base/files/files.js';
import { DESCRIBING_FORMATS } from '../../pure/formats/format.js';
import { cutFile } from '../../pure/tensor/file-parts.js';
import { isChanged, WorkLayouts } from '../../storage/ingest/work-layouts.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import type { StagingOnDisk } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import type { Line } from '../history/lines/lines.js';
import { WorkStates } from './changes.js';
import { isDenied } from './scan/work-file.js';

/** Staged files of a line that describe others and are not as in its tip: which files they describe. */
export async function describedByChanged(
  repo: LineAccess,
  { staging }: StagingOnDisk,
  { model, tip }: Line,
): Promise<Set<string>> {
  const entries = staging.entries(model);
  const describing = entries.filter(({ format }) => DESCRIBING_FORMATS.has(format));
  if (describing.length === 0) return new Set();
  const before = new Map(
    (tip === null ? [] : (await repo.tree(tip, entries)).files).map(({ path, sha256 }) => [
      path,
      sha256,
    ]),
  );
  const changed = describing.filter(({ path, sha256 }) => before.get(path) !== sha256);
  return new Set(changed.flatMap(({ hint }) => hint.references));
}

/**
 * Of these paths, the tracked files of a model that are as they were staged but would be laid out otherwise
 * now. Of each only what says where its tensors lie is read.
 */
export async function describedOtherwise(
  repo: LineAccess,
  { staging, writtenNs }: StagingOnDisk,
  { model, paths }: { model: string; paths: Iterable<string> },
  context: OpContext,
): Promise<Map<string, StagedEntry>> {
  const states = new WorkStates(repo, writtenNs, context.signal);
  const layouts = new WorkLayouts({
    follow: true,
    ...(context.signal ? { signal: context.signal } : {}),
  });
  const found = new Map<string, StagedEntry>();
  for (const path of paths) {
    const entry = staging.ownerOf(path) === model ? staging.entry(path) : null;
    if (entry === null || (await states.of(entry)).status !== 'same') continue;
    try {
      if (!(await isLaidOutSo(repo, entry, layouts))) found.set(path, entry);
    } catch (error) {
      // It stays as it is: what it is, its own command says.
      if (!isDenied(error) && !isMissing(error) && !isChanged(error) && !isUnreadable(error)) {
        throw error;
      }
    }
  }
  return found;
}

/** True if a work file would be stored with the parts and tensors that it has in the repository. */
async function isLaidOutSo(
  repo: LineAccess,
  entry: StagedEntry,
  layouts: WorkLayouts,
): Promise<boolean> {
  const file = repo.layout.workFile(entry.path);
  const source = await ReadFile.open(file, entry.path);
  try {
    const layout = await layouts.of(source, entry.path, file);
    const { skeleton } = await openStoredFile(repo, entry);
    if (skeleton === null) return layout.format === 'blob';
    const now = cutFile(layout, source.size);
    const parts = now.parts.map(({ part }) => part);
    return (
      now.format === skeleton.format &&
      JSON.stringify([parts, now.tensors]) === JSON.stringify([skeleton.parts, skeleton.tensors])
    );
  } finally {
    await source.close();
  }
}
