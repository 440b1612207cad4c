/** Versions that were forgotten here do not come back with a fetch that was not asked for them. */

import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import type { Layout } from '../../storage/repo/layout.js';
import { readGone } from '../../storage/repo/refs/gone.js';

/** Thrown when branches would bring back what was forgotten here. */
export class ForgottenVersions extends Error {
  /** Why each tip is not taken. */
  readonly tips: ReadonlyMap<Id, string>;

  constructor(tips: ReadonlyMap<Id, string>) {
    super('forgotten versions');
    this.tips = tips;
  }
}

/** What a fetch would bring. */
export interface Arriving {
  readonly versions: ReadonlySet<Id>;
  readonly parentsOf: (id: Id) => Promise<readonly Id[]>;
  /** Versions that are asked for. */
  readonly tips: readonly Id[];
}

/** @throws {ForgottenVersions} if versions would come back that were forgotten here. */
export async function checkForgotten(
  layout: Layout,
  { versions, parentsOf, tips }: Arriving,
): Promise<void> {
  const forgotten = new Map<Id, string>();
  for (const { id, fate, name } of await readGone(layout)) {
    if (fate === 'pruned' || fate === 'moved') continue;
    if (versions.has(id)) forgotten.set(id, name);
  }
  if (forgotten.size === 0) return;
  const rejected = new Map<Id, string>();
  for (const tip of tips) {
    const queue = [tip];
    const met = new Set<Id>();
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      if (met.has(id) || !versions.has(id)) continue;
      met.add(id);
      const name = forgotten.get(id);
      if (name !== undefined) {
        rejected.set(tip, forgottenReason(name, id));
        break;
      }
      pushAll(queue, await parentsOf(id));
    }
  }
  if (rejected.size > 0) throw new ForgottenVersions(rejected);
}

function forgottenReason(name: string, id: Id): string {
  return (
    `it would bring back ${name} (${id.slice(0, 10)}), which was forgotten here: replace it there with ` +
    "'dlv push --force-with-lease', or take it back with 'dlv fetch --forgotten'"
  );
}
