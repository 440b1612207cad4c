/** What a fetch works with. */
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../objects/access.js';
import type { ObjectStore } from '../../store/object-store.js';
import type { SetInfo } from '../../store/types.js';
import type { Incoming } from '../incoming.js';

export interface FetchParts {
  readonly repo: ReadAccess;
  /** The remote's sets as a store, and their list. */
  readonly remote: ObjectStore;
  readonly sets: readonly SetInfo[];
  /** Its notes, by version. */
  readonly notes: ReadonlyMap<Id, readonly Id[]>;
  readonly incoming: Incoming;
  /** The address, for messages. */
  readonly shown: string;
  /** True for a set whose index was fetched before: what is new stands in others. */
  isSeen(info: SetInfo): Promise<boolean>;
}
