/** The versions that a repository names: in refs, HEAD, reflogs, and in what is staged apart from HEAD. */

import type { Id } from '../../base/bytes/hash.js';
import { isDamage } from '../../base/errors.js';
import { isMissing, statOrNull } from '../../base/files/files.js';
import { forEachInTurns } from '../../base/files/small-files.js';
import type { ObjectAccess } from '../objects/access.js';
import type { NoteReader } from '../objects/tiers.js';
import type { Layout } from '../repo/layout.js';
import { readHead } from '../repo/refs/head.js';
import { branchRefName } from '../repo/refs/ref-name.js';
import {
  DELETED_LOG,
  isListLog,
  listReflogs,
  NOT_A_VERSION,
  type ReflogEntry,
  readListLog,
  readReflog,
} from '../repo/refs/reflog.js';
import { readEachRef } from '../repo/refs/refs.js';
import type { StagedBranch, Staging } from '../repo/staging/staging.js';
import { readLineStagings } from '../repo/staging/staging-file.js';
import type { BrokenLink } from './reachable.js';

/** Versions that a repository names, apart from those that are staged. */
export interface Roots {
  /** Those of refs, HEAD, and of refs that were lost. */
  named: ReadonlySet<Id>;
  /** Those of reflogs, with the time of the last line that names each; milliseconds since 1970. */
  moved: ReadonlyMap<Id, number>;
}

/** How refs that cannot be read are reported. */
interface RootOptions {
  onBroken(link: BrokenLink): void;
  signal?: AbortSignal;
}

function brokenLink(
  kind: 'ref' | 'staging',
  name: string,
  message: string,
  what: BrokenLink['what'] = 'damaged',
): BrokenLink {
  return { kind, name, what, message, version: null, path: null };
}

/**
 * What is staged for branches apart from where HEAD is. That of a branch that is gone counts no more:
 * its base is in no history.
 */
export async function stagedApart(layout: Layout, { onBroken }: RootOptions): Promise<Staging[]> {
  const found = await readLineStagings(layout, (file, error) => {
    if (!isDamage(error)) throw error;
    onBroken(brokenLink('staging', layout.nameOf(file), (error as Error).message));
  });
  const kept: Staging[] = [];
  for (const staging of found) {
    const { model, branch } = staging.only as StagedBranch;
    const isNew = staging.get(model)?.base === null;
    if (isNew || (await hasRef(layout, branchRefName(model, branch)))) kept.push(staging);
  }
  return kept;
}

/** True also for a ref that is damaged. */
async function hasRef(layout: Layout, name: string): Promise<boolean> {
  return (await statOrNull(layout.ref(name)))?.isFile === true;
}

/** Versions that refs, HEAD and reflogs name. */
export async function readRoots(
  repo: ObjectAccess & NoteReader,
  { onBroken, signal }: RootOptions,
): Promise<Roots> {
  const { layout } = repo;
  const named = new Set<Id>();
  const moved = new Map<Id, number>();
  const addMoves = async (entries: readonly ReflogEntry[]): Promise<void> => {
    for (const entry of entries) {
      for (const id of [entry.before, entry.after]) {
        if (id === null || entry.time <= (moved.get(id) ?? Number.NEGATIVE_INFINITY)) continue;
        // A reflog keeps what is there; what was pruned before is not damage.
        if ((await repo.store.findBlob(id)) !== null) moved.set(id, entry.time);
      }
    }
  };
  const tryRead = async (name: string, action: () => Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      if (!isDamage(error) && !isMissing(error)) throw error;
      const what = isMissing(error) ? 'missing' : 'damaged';
      onBroken(brokenLink('ref', name, (error as Error).message, what));
    }
  };
  await tryRead('HEAD', async () => {
    const head = await readHead(layout);
    if (head.kind === 'detached') named.add(head.id);
  });
  const logs = new Set((await listReflogs(layout)).filter((name) => !isListLog(name))).add('HEAD');
  const present = new Set(['HEAD']);
  for await (const { name, parse } of readEachRef(layout)) {
    present.add(name);
    await tryRead(name, async () => {
      named.add(parse());
    });
  }
  await forEachInTurns(
    logs,
    async (name) => {
      const log = await readReflog(layout, name, NOT_A_VERSION);
      if (log.damaged.length > 0) {
        const message = `reflog of '${name}' has damaged lines: ${log.damaged.join(', ')}`;
        onBroken(brokenLink('ref', name, message));
      }
      await addMoves(log.entries);
      // The ref of a log that ends at a version was lost: fsck says so, and nothing of it goes until then.
      const last = log.entries.at(-1)?.after ?? null;
      if (!present.has(name) && last !== null && (await repo.store.findBlob(last)) !== null) {
        named.add(last);
      }
    },
    signal,
  );
  await addMoves(await readListLog(layout, DELETED_LOG));
  return { named, moved };
}
