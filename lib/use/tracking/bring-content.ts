/** Brings files of a version that gc has deleted here from a remote that has them. */
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import type { FetchingRepository } from '../../storage/exchange/fetch-plan.js';
import { openReader } from '../../storage/exchange/open-remote.js';
import type { ReadAccess, SettingAccess } from '../../storage/objects/access.js';
import { lackingContent } from '../../storage/upkeep/lacking-content.js';
import type { OpContext } from '../context.js';
import { type LineSettings, lineOf } from './line.js';
import { mendFrom } from './mend.js';
import { findRemote } from './remotes.js';

export interface RecallOptions extends LineSettings {
  /** A remote that files come from which gc has deleted here: its name, or an address. */
  from?: string;
}

/** A version whose files were given up. */
export interface RecalledVersion {
  version: Id;
  /** As the user wrote it. */
  revision: string;
  /** Notes that count no more. */
  without: readonly Id[];
}

/** Brings what is gone of a version, in rounds: what came says what else is needed. @returns how many objects came. */
export async function bringContent(
  repo: FetchingRepository & SettingAccess & ReadAccess,
  { version, revision, without }: RecalledVersion,
  options: RecallOptions,
  context: OpContext,
): Promise<number> {
  const { signal } = context;
  let objects = 0;
  for (;;) {
    const lacking = await lackingContent(repo, version, without, signal);
    if (lacking.size === 0) return objects;
    if (options.from === undefined) throw gone(revision, lacking, null);
    const { name, url } = await findRemote(repo, options.from, null);
    const source = await openReader(url, lineOf(repo, options, context));
    try {
      const from = { source, remote: name ?? '' };
      const how = { planes: null, ...(signal ? { signal } : {}) };
      const mended = await mendFrom(repo, from, lacking.keys(), how);
      if (mended.objects === 0) throw gone(revision, lacking, source.shown);
      objects += mended.objects;
    } finally {
      await source.close();
    }
  }
}

function gone(
  revision: string,
  lacking: ReadonlyMap<Id, string>,
  remote: string | null,
): NotFoundError {
  const [path = ''] = lacking.values();
  const where = remote === null ? '' : `, and '${remote}' does not have it`;
  return new NotFoundError(
    `files of '${revision}' cannot be brought back: gc has deleted '${path}'${where}`,
    {
      kind: 'file',
      name: path,
      hint: `if a remote still has them, 'dlv keep --recall ${revision} --from <remote>' brings them`,
    },
  );
}
