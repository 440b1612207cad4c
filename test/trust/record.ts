/**
 * The expected state of a repository, kept outside of it: every version that a command acknowledged
 * and the sha256 of its files. What fsck and the repository say is compared with that.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Id } from '../../lib/base/bytes/hash.js';
import { sha256, sha256Hex } from '../../lib/base/bytes/hash.js';
import { DlvError } from '../../lib/base/errors.js';
import { checkRepository } from '../../lib/storage/fsck/fsck.js';
import { streamFile } from '../../lib/storage/objects/stored/rebuild.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { Repository } from '../../lib/use/repository.js';

/** Path → sha256. */
export type FileHashes = Record<string, string>;

/** Version → its files. */
export type Acknowledged = Map<Id, FileHashes>;

/** sha256 of the files directly in `dir`. */
export async function hashFiles(dir: string): Promise<FileHashes> {
  const hashes: FileHashes = {};
  for (const entry of await fs.readdir(dir, { withFileTypes: true })) {
    if (entry.isFile())
      hashes[entry.name] = sha256Hex(await fs.readFile(path.join(dir, entry.name)));
  }
  return hashes;
}

/** Sentences about acknowledged versions that are not exactly there. Empty if all is well. */
export async function compareVersions(dir: string, acknowledged: Acknowledged): Promise<string[]> {
  const wrong: string[] = [];
  const repo = await Repository.open(dir);
  try {
    for (const [id, expected] of acknowledged) {
      const found = await rebuildVersion(repo, id).catch((error: unknown) => {
        return error instanceof Error ? error.message : String(error);
      });
      if (typeof found === 'string') wrong.push(`version ${id}: ${found}`);
      else if (JSON.stringify(found) !== JSON.stringify(sorted(expected))) {
        wrong.push(`version ${id} has other files: ${JSON.stringify(found)}`);
      }
    }
  } finally {
    await repo.close();
  }
  return wrong;
}

function sorted(hashes: FileHashes): FileHashes {
  return Object.fromEntries(Object.entries(hashes).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Files of versions, or why one cannot be rebuilt. @throws what is not an error of the table. */
export async function readVersions(
  dir: string,
  ids: Iterable<Id>,
): Promise<Map<Id, FileHashes | DlvError>> {
  const found = new Map<Id, FileHashes | DlvError>();
  const refuse = (error: unknown): DlvError => {
    if (isOurs(error)) return error;
    throw error;
  };
  const repo = await Repository.open(dir).catch(refuse);
  for (const id of ids) {
    found.set(id, repo instanceof DlvError ? repo : await rebuildVersion(repo, id).catch(refuse));
  }
  if (!(repo instanceof DlvError)) await repo.close();
  return found;
}

/** Hashes of the files of a version that are kept, rebuilt. */
export async function rebuildVersion(repo: Repository, id: Id): Promise<FileHashes> {
  const hashes: FileHashes = {};
  for (const entry of (await repo.tree(id)).files) {
    if (entry.tombstone !== undefined) continue;
    const hash = sha256();
    for await (const piece of streamFile(repo, await repo.openFile(entry))) hash.update(piece);
    hashes[entry.path] = hash.digest('hex');
  }
  return sorted(hashes);
}

/** What fsck finds wrong; empty if it is clean. */
export async function fsckProblems(dir: string): Promise<string[]> {
  const { ok, problems } = await checkRepository(new Layout(dir), {
    open: Repository.openForRepair,
  });
  return ok ? [] : problems.map(({ kind, area, message }) => `${kind} ${area}: ${message}`);
}

/** True for an error of the table. */
export function isOurs(error: unknown): error is DlvError {
  return error instanceof DlvError && error.code !== 'DLV_BUG';
}
