/**
 * Sets that a remote promised, and that its collection has taken from the list since: their files stay for the
 * grace period, and whoever counts on them finds them until then.
 */
import type { Layout } from '../../repo/layout.js';
import { readPromisedOf } from '../../repo/promised.js';
import type { SetInfo } from '../../store/types.js';
import { setName } from '../collect/garbage-names.js';
import { Remote, type RemoteReader } from '../remote/remote.js';
import type { TransferOptions } from '../transports/transport.js';

/** An open remote by its name. */
export interface NamedSource {
  readonly source: RemoteReader;
  /** Empty for an address that has none. */
  readonly remote: string;
}

/** Those of them that the remote still has. @throws {RemoteError} {CorruptError} */
export async function waitingSets(
  layout: Layout,
  { source, remote }: NamedSource,
  options: TransferOptions = {},
): Promise<SetInfo[]> {
  if (remote === '' || !(source instanceof Remote)) return [];
  const promised = (await readPromisedOf(layout, remote))?.sets ?? [];
  const listed = new Set((await source.holdings(options)).sets.map(({ id }) => id));
  const unlisted = promised.filter(({ id }) => !listed.has(id));
  if (unlisted.length === 0) return [];
  const noted = await source.lists.readGarbage(source.state.collection?.garbage ?? [], options);
  const garbage = new Set(noted.map(({ name }) => name));
  return unlisted.filter(({ id }) => garbage.has(setName(id)));
}
