/**
 * Protects packs, refs and reflogs from `git clean -fdx`.
 *
 * Git deletes what it ignores, but skips a folder that is a repository of its own. The mark of one
 * is `.git` with a HEAD and the folders objects and refs; nothing in it is ever used.
 * @see docs/decisions/0017-git-clean-passes-over-packs.md
 */
import path from 'node:path';
import { makeDirectory, statOrNull, writeFileAtomic } from '../../base/files/files.js';
import type { Layout } from './layout.js';

const GIT_HEAD = 'ref: refs/heads/none\n';

/** Marks the folders that cannot be made again from anything else. Those that are marked cost a stat each. */
export async function markForGit(layout: Layout): Promise<void> {
  for (const marker of layout.gitMarkers()) {
    const head = path.join(marker, 'HEAD');
    if ((await statOrNull(head)) !== null) continue;
    for (const part of ['objects', 'refs']) await makeDirectory(path.join(marker, part));
    await writeFileAtomic(head, Buffer.from(GIT_HEAD));
  }
}
