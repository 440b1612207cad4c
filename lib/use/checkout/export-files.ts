/** Writes the files of a version into a folder outside of the work tree. */

import nodePath from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { ExistsError, UsageError } from '../../base/errors.js';
import { listDirectory, makeDurableDirectory, statOrNull } from '../../base/files/files.js';
import { leadsTo } from '../../base/files/places/user-paths.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { bringFiles, type SuppliedReader } from '../../storage/objects/stored/bring.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { OpContext } from '../context.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import { type CheckedOut, pickFiles } from './checkout-version.js';
import { writeApproximateFiles } from './export-approximate.js';
import { writeFiles } from './place-files.js';
import { checkPlaceable } from './portable-places.js';
import { type WantedFile, WorkFolder } from './work-folder.js';

export interface ExportOptions extends AcceptTier {
  /** The folder, relative to the context's. */
  out: string;
  /** Only these files. */
  paths?: readonly string[];
  /** Writes over files of the same names. */
  force?: boolean;
  /** Reads only so many leading planes of floats: the files are approximate copies. */
  planes?: number;
}

/** What an export wrote. */
export interface Exported extends CheckedOut {
  /** Files whose floats have leading planes only. */
  approximate: string[];
}

/** @throws {NotFoundError} {ExistsError} {TierError} {CorruptError} {IoError} */
export async function exportFiles(
  repo: SuppliedReader,
  id: Id,
  options: ExportOptions,
  context: OpContext,
): Promise<Exported> {
  const root = nodePath.resolve(context.cwd, options.out);
  const { model } = await repo.version(id);
  const { files } = await repo.tree(id);
  const target = pickFiles(
    { layout: repo.layout, cwd: context.cwd },
    id,
    files,
    options.paths ?? [],
  );
  checkTiers(target, options.acceptTier, context);
  await prepareFolder(repo, root, options);
  await checkPlaceable(
    root,
    target.map((file) => file.path),
  );
  await bringFiles(repo, target, options.planes);
  const bytes = target.reduce((sum, file) => sum + file.size, 0);
  const reader = await registerReader(repo.layout, repo.store.generation);
  const folder = new WorkFolder(repo.layout, root, context.cwd);
  context.progress.start('checking out', bytes);
  const approximate: string[] = [];
  try {
    const wanted: WantedFile[] = [];
    for (const entry of target) {
      const there = await statOrNull(nodePath.join(root, ...entry.path.split('/')));
      wanted.push({ entry, seen: there?.stat ?? null });
    }
    const { planes } = options;
    if (planes === undefined) await writeFiles(repo, folder, wanted, context);
    else {
      const place = { folder, root, version: id, planes };
      pushAll(approximate, await writeApproximateFiles(repo, place, wanted, context));
    }
    await folder.sync();
  } finally {
    context.progress.finish();
    await folder.close();
    await reader.close();
  }
  const written = target.map((file) => file.path);
  const head = { branch: null, detached: false };
  return {
    version: id,
    model,
    ...head,
    path: root,
    written,
    removed: [],
    carried: [],
    unchanged: 0,
    bytes,
    approximate,
  };
}

/** Makes the folder of an export. @throws {ExistsError} if something is in it. */
async function prepareFolder(
  repo: ReadAccess,
  root: string,
  options: ExportOptions,
): Promise<void> {
  const { dir, workTree } = repo.layout;
  if (root === dir || root.startsWith(dir + nodePath.sep) || root === workTree) {
    throw new UsageError(`'${options.out}' cannot be written to: the repository lies there`, {
      path: root,
      hint: 'name another folder, or omit --out to write into the work tree',
    });
  }
  const there = await leadsTo(root);
  if (there !== null && there !== 'folder') {
    throw new ExistsError(`'${options.out}' is a file`, { path: root, hint: 'name a folder' });
  }
  if (there !== null && !options.force && (await listDirectory(root)).length > 0) {
    throw new ExistsError(`'${options.out}' is not empty`, {
      path: root,
      hint: 'name another folder, or overwrite files of the same names with --force',
    });
  }
  await makeDurableDirectory(root);
}
