/** `dlv ui`: what its server needs besides commands: which state the repository is in, and the built page. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMissing, listEntries, readSmallFile, statOrNull } from '../../base/files/files.js';
import { findRepository } from '../../storage/repo/find-repository.js';
import type { Layout } from '../../storage/repo/layout.js';
import { isRunId } from '../../storage/repo/processes/made-names.js';
import type { OpContext } from '../context.js';

/** Folders of refs that are looked at; a change in those beyond shows when something else changes. */
const FOLDERS_MAX = 4000;
/** A run goes on only if its record is not older than this: it is written every few seconds. */
const QUIET_MS = 20_000;
/** Largest file of the page. */
const ASSET_BYTES_MAX = 4 * 2 ** 20;

/** Where the repository around a folder is. @throws {NoRepositoryError} {UnsafeError} */
export async function uiRepository({ cwd }: OpContext): Promise<Layout> {
  return findRepository(cwd);
}

/**
 * A text that is another one once a version was made, a branch or tag moved, a note written, or packs were
 * swapped. Every one of them is a rename into a folder, so that only folders have to be looked at.
 */
export async function repositoryState(layout: Layout): Promise<string> {
  const hash = createHash('sha256');
  const folders = [layout.refs];
  const note = async (file: string): Promise<void> => {
    const found = await statOrNull(file);
    hash.update(
      `${file}\0${found === null ? '' : `${found.stat.mtimeNs} ${found.stat.inode} ${found.stat.size}`}\0`,
    );
  };
  const { head, manifest, staging, budgets, config, queries, promised } = layout;
  for (const file of [head, manifest, staging, budgets, config, queries, promised]) {
    await note(file);
  }
  for (let i = 0; i < folders.length && i < FOLDERS_MAX; i++) {
    const folder = folders[i] as string;
    await note(folder);
    for (const entry of await listEntries(folder).catch(ignoreMissing)) {
      if (entry.isDirectory()) folders.push(path.join(folder, entry.name));
    }
  }
  return hash.digest('hex').slice(0, 20);
}

/**
 * A text that is another one once a run began, ended, or measured something. A record is replaced by a rename into
 * the folder of its run, every few seconds while it goes on; metrics are appended.
 */
async function runsState(layout: Layout): Promise<string> {
  const hash = createHash('sha256');
  const entries = await listEntries(layout.runs).catch(ignoreMissing);
  for (const entry of entries.slice(0, FOLDERS_MAX)) {
    if (!entry.isDirectory() || !isRunId(entry.name)) continue;
    const found = await statOrNull(layout.run(entry.name));
    if (found === null) continue;
    const { mtimeNs } = found.stat;
    // Its process may have been killed, which writes nothing: once it is quiet it is looked at again.
    const isQuiet = Date.now() - Number(BigInt(mtimeNs) / 1_000_000n) > QUIET_MS;
    hash.update(`${entry.name} ${mtimeNs} ${isQuiet}\n`);
    if (isQuiet) continue;
    const metrics = await statOrNull(layout.runFile(entry.name, 'metrics.jsonl'));
    hash.update(`${metrics?.stat.size ?? 0}\n`);
  }
  return hash.digest('hex').slice(0, 20);
}

/** The state of what an answer is of. */
export function stateOf(layout: Layout, of: 'repository' | 'runs'): Promise<string> {
  return of === 'runs' ? runsState(layout) : repositoryState(layout);
}

function ignoreMissing(error: unknown): never[] {
  if (!isMissing(error)) throw error;
  return [];
}

/** A file of the page, as it was built beside the code. */
export function readAsset(name: 'app.js' | 'app.css'): Promise<Uint8Array> {
  const file = fileURLToPath(new URL(`../../../ui/${name}`, import.meta.url));
  return readSmallFile(file, ASSET_BYTES_MAX);
}
