/**
 * The sides of a comparison: a version, what is staged or the work tree, or one folder or file of
 * them. Tensors are opened only when they are needed.
 */
import type { Id } from '../../../base/bytes/hash.js';
import type { DescribedNetwork } from '../../../pure/network/encode.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { streamFile } from '../../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import { type StoredTensor, tensorsOf } from '../../../storage/objects/stored/tensors.js';
import type { FileEntry, Snapshot } from '../../../storage/repo/version/file-page.js';
import { readNetwork } from '../networks/networks.js';

export interface DiffFile {
  /** Its path; the side knows it by its path below the folder that is compared. */
  path: string;
  /** null for what is not a plain file. */
  size: number | null;
  sha256: string;
  mode: number;
  /** What a work file became that is not a plain file: 'symbolic link', 'unreadable', …; else null. */
  became: string | null;
  /** Tensors of the file, opened at the first call. */
  tensors(): Promise<StoredTensor[]>;
  /** All of its bytes: for small files. */
  content(): Promise<Uint8Array>;
  /** The network that the file defines; null if it defines none. @throws {CorruptError} */
  network(signal?: AbortSignal): Promise<DescribedNetwork | null>;
}

export interface DiffSide {
  label: string;
  version: Id | null;
  /** Tiers that replace exact files of it. */
  tier: string | null;
  /** By path below the folder that is compared. */
  files: Map<string, DiffFile>;
  /** Keys and members are those of `files`. */
  snapshots: Snapshot[];
}

/** Keeps the wanted files, and the snapshots that have no others. */
export function narrowSide(side: DiffSide, isWanted: (path: string) => boolean): void {
  for (const path of [...side.files.keys()]) if (!isWanted(path)) side.files.delete(path);
  side.snapshots = side.snapshots.filter((snapshot) =>
    snapshot.members.every((path) => side.files.has(path)),
  );
}

/** The side before a first version. */
export function emptySide(): DiffSide {
  return { label: 'nothing', version: null, tier: null, files: new Map(), snapshots: [] };
}

/** A stored file as one side of a comparison. */
export function storedFile(repo: ReadAccess, entry: FileEntry): DiffFile {
  let tensors: Promise<StoredTensor[]> | null = null;
  return {
    path: entry.path,
    size: entry.size,
    sha256: entry.sha256,
    mode: entry.mode,
    became: null,
    tensors() {
      tensors ??= openStoredFile(repo, entry).then(tensorsOf);
      return tensors;
    },
    async content() {
      const pieces: Uint8Array[] = [];
      for await (const bytes of streamFile(repo, await openStoredFile(repo, entry))) {
        pieces.push(Uint8Array.from(bytes));
      }
      return Buffer.concat(pieces);
    },
    network: (signal) => readNetwork(repo, entry, signal),
  };
}

/** A version as one side of a comparison. */
export async function versionSide(repo: ReadAccess, id: Id, label: string): Promise<DiffSide> {
  const tree = await repo.tree(id);
  return {
    label,
    version: id,
    tier: (await repo.tier(id))?.label ?? null,
    files: new Map(tree.files.map((entry) => [entry.path, storedFile(repo, entry)])),
    snapshots: tree.snapshots,
  };
}
