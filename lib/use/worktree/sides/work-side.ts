/** The work tree as a side of `diff`: files that changed are read where they lie, the others from the packs. */

import { isMissing } from '../../../base/files/files.js';
import { DESCRIBING_FORMATS } from '../../../pure/formats/format.js';
import { WorkLayouts } from '../../../storage/ingest/work-layouts.js';
import { changedEntry, type StagedEntry } from '../../../storage/repo/staging/staging.js';
import { makeSnapshots, resolveReferences } from '../../../storage/repo/version/snapshots.js';
import type { OpContext } from '../../context.js';
import type { LineAccess } from '../../history/access.js';
import { type DiffFile, type DiffSide, storedFile } from '../../history/diff/sides.js';
import { WorkStates } from '../changes.js';
import { isDenied } from '../scan/work-file.js';
import { fileInPlace, hashInPlace, oddFile, readInPlace } from './read-in-place.js';

/** Tracked files as they are in the work tree; unchanged ones are taken from the packs. */
export async function workSide(
  repo: LineAccess,
  entries: readonly StagedEntry[],
  writtenNs: bigint,
  context: OpContext,
): Promise<DiffSide> {
  const files = new Map<string, DiffFile>();
  const hints: StagedEntry[] = [];
  const same: StagedEntry[] = [];
  // Files whose tensors a file that changed describes.
  const described = new Set<string>();
  const states = new WorkStates(repo, writtenNs, context.signal);
  const layouts = new WorkLayouts(context.signal ? { signal: context.signal } : {});
  for (const entry of entries) {
    const { status, odd } = await states.of(entry);
    if (status === 'deleted') continue;
    if (status === 'same' || status === 'absent') {
      files.set(entry.path, storedFile(repo, entry));
      hints.push(entry);
      if (status === 'same') same.push(entry);
      continue;
    }
    const placed = { file: repo.layout.workFile(entry.path), name: entry.path };
    const changed = odd === null ? await hashInPlace(placed, layouts, context) : odd;
    if (changed === null) continue;
    if ('became' in changed) {
      // Its tensors are not compared, and count neither as removed nor as equal.
      context.warn(`'${entry.path}' ${changed.says}: its content is not compared`);
      files.set(entry.path, oddFile(entry.path, changed.became));
      continue;
    }
    files.set(entry.path, fileInPlace(entry.path, changed));
    const { layout } = changed;
    const { references } = resolveReferences(entry.path, layout.references);
    if (DESCRIBING_FORMATS.has(layout.format)) for (const path of references) described.add(path);
    const roles = [...new Set(layout.tensors.map((t) => t.role))];
    const hint = { references: entry.hint.references, roles };
    hints.push(changedEntry(entry, { format: layout.format, step: layout.step, hint }));
  }
  for (const { path, sha256 } of same.filter((entry) => described.has(entry.path))) {
    try {
      const placed = { file: repo.layout.workFile(path), name: path };
      const opened = await readInPlace(placed, layouts);
      files.set(path, fileInPlace(path, { ...opened, sha256 }));
    } catch (error) {
      // Its tensors are then those that were described before.
      if (!isDenied(error) && !isMissing(error)) throw error;
    }
  }
  const snapshots = makeSnapshots(hints);
  return { label: 'work tree', version: null, tier: null, files, snapshots };
}
