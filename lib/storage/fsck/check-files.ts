/** `fsck --files`: rebuilds every distinct file and compares size and sha256. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable, objectFault } from '../../base/errors.js';
import type { ReadAccess } from '../objects/access.js';
import { streamFile } from '../objects/stored/rebuild.js';
import { openStoredFile } from '../objects/stored/stored-file.js';
import { readPages } from '../repo/version/file-tree.js';
import { isPromised } from '../store/promised.js';
import type { NamedFile } from '../upkeep/reachable.js';
import { type Findings, type FsckOptions, type NamedFiles, problemOf, remedyOf } from './report.js';

/** Rebuilds the files of versions and staging. @returns how many distinct ones there are. */
export async function checkFiles(
  repo: ReadAccess,
  { versions, staging }: NamedFiles,
  findings: Findings,
  options: FsckOptions,
): Promise<number> {
  const seen = new Set<string>();
  // Of which content is at a remote alone.
  let promised = 0;
  const { signal } = options;
  const check = async (file: NamedFile, version: Id | null): Promise<void> => {
    const key = `${file.recipe.id} ${file.sha256} ${file.size}`;
    if (seen.has(key)) return;
    seen.add(key);
    throwIfAborted(signal);
    try {
      const onBytes = (count: number) => options.onBytes?.(count);
      const stored = await openStoredFile(repo, file);
      for await (const _ of streamFile(repo, stored, { onBytes, ...(signal ? { signal } : {}) }));
    } catch (error) {
      if (isPromised(error)) {
        promised++;
        return;
      }
      if (!isUnreadable(error)) throw error;
      const fault = objectFault(error) ?? 'damaged';
      const isKnown = findings.list.some(({ problem }) =>
        problem.affects.some((a) => a.version === version && a.path === file.path),
      );
      if (isKnown) return;
      const { problem } = findings.add(
        problemOf({
          kind: fault,
          area: 'file',
          file: null,
          message: error.message,
          remedy: remedyOf(fault, null),
        }),
      );
      problem.affects.push({ version, path: file.path });
      problem.affectedFiles = 1;
    }
  };
  options.onStart?.('rebuilding files', 0);
  for (const id of versions) {
    try {
      const version = await repo.version(id);
      const tier = await repo.tier(id);
      for await (const page of readPages(version.tree, repo)) {
        for (const file of page.files) {
          const entry = tier?.entryOf(file) ?? file;
          if (entry.tombstone === undefined) await check(entry, id);
        }
      }
    } catch (error) {
      // A version that cannot be read is a finding already.
      if (!isUnreadable(error)) throw error;
    }
  }
  for (const line of staging.models()) {
    for (const file of staging.entries(line.model)) await check(file, null);
  }
  return seen.size - promised;
}
