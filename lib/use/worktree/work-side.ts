/** The work tree as a side of `diff`: files that changed are read where they lie, the others from the packs. */

import type { ByteSource } from '../../base/bytes/byte-source.js';
import { ChangedError } from '../../base/errors.js';
import { type FileStat, isMissing, ReadFile, sameStat } from '../../base/files/files.js';
import { DESCRIBING_FORMATS } from '../../pure/formats/format.js';
import type { FileLayout } from '../../pure/tensor/layout.js';
import { WorkLayouts } from '../../storage/ingest/work-layouts.js';
import { tensorsOfFile } from '../../storage/objects/stored/tensors.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import { makeSnapshots, resolveReferences } from '../../storage/repo/version/snapshots.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { type DiffFile, type DiffSide, storedFile } from '../history/diff/sides.js';
import { hashFile, modeOf, type WorkState, WorkStates } from './changes.js';
import { isDenied, type Oddity, UNREADABLE } from './scan/work-file.js';

/**
 * A work file that is opened for each read: hundreds of changed files stay below the limit of open
 * ones. @throws {ChangedError} from `read` if it is not the file that was opened first.
 */
class WorkSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: string;
  readonly stat: FileStat;

  constructor(file: string, name: string, stat: FileStat) {
    this.name = name;
    this.size = stat.size;
    this.#file = file;
    this.stat = stat;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const source = await ReadFile.open(this.#file, this.name);
    try {
      if (!sameStat(source.stat, this.stat)) {
        throw new ChangedError(`'${this.name}' changed while it was compared`, {
          file: this.name,
          hint: 'wait until no other program writes to the file, then run the command again',
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
  layouts: WorkLayouts,
): Promise<{ source: WorkSource; layout: FileLayout }> {
  const opened = await ReadFile.open(file, name);
  try {
    const layout = await layouts.of(opened, name, file);
    return { source: new WorkSource(file, name, opened.stat), layout };
  } finally {
    await opened.close();
  }
}

interface ChangedFile {
  source: WorkSource;
  layout: FileLayout;
  sha256: string;
}

/** A work file that changed; what it became if it may not be read; null if it is gone by now. */
async function openChanged(
  file: string,
  name: string,
  layouts: WorkLayouts,
  context: OpContext,
): Promise<ChangedFile | NonNullable<WorkState['odd']> | null> {
  try {
    const opened = await readWorkFile(file, name, layouts);
    return { ...opened, sha256: await hashFile(file, context.signal) };
  } catch (error) {
    if (isDenied(error)) return UNREADABLE;
    if (isMissing(error)) return null;
    throw error;
  }
}

/** What stands for a file that is not a plain one: it equals no other, and has no tensors. */
function oddFile(path: string, became: Oddity): DiffFile {
  return {
    path,
    size: null,
    sha256: became,
    mode: 0,
    became,
    tensors: async () => [],
    content: async () => new Uint8Array(0),
  };
}

function workFile(path: string, { source, layout, sha256 }: ChangedFile): DiffFile {
  return {
    path,
    size: source.size,
    sha256,
    mode: modeOf(source.stat),
    became: null,
    tensors: async () => tensorsOfFile(source, layout),
    content: () => source.read(0, source.size),
  };
}

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
    const file = repo.layout.workFile(entry.path);
    const changed = odd === null ? await openChanged(file, entry.path, layouts, context) : odd;
    if (changed === null) continue;
    if ('became' in changed) {
      // Its tensors are not compared, and count neither as removed nor as equal.
      context.warn(`'${entry.path}' ${changed.says}: its content is not compared`);
      files.set(entry.path, oddFile(entry.path, changed.became));
      continue;
    }
    files.set(entry.path, workFile(entry.path, changed));
    const { layout } = changed;
    const { references } = resolveReferences(entry.path, layout.references);
    if (DESCRIBING_FORMATS.has(layout.format)) for (const path of references) described.add(path);
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
  for (const { path, sha256 } of same.filter((entry) => described.has(entry.path))) {
    try {
      const opened = await readWorkFile(repo.layout.workFile(path), path, layouts);
      files.set(path, workFile(path, { ...opened, sha256 }));
    } catch (error) {
      // Its tensors are then those that were described before.
      if (!isDenied(error) && !isMissing(error)) throw error;
    }
  }
  const snapshots = makeSnapshots(hints);
  return { label: 'work tree', version: null, tier: null, files, snapshots };
}
