/**
 * What a remote has at this moment, looked at afresh: before it is the only one to have something.
 *
 * Copies of what was read of it earlier tell only what it had then.
 */
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { sha256 } from '../../../base/bytes/hash.js';
import type { SetInfo } from '../../store/types.js';
import { damagedRemote } from '../fetch-plan.js';
import type { RemoteReader } from '../remote.js';
import { remoteFile } from '../remote-store.js';
import type { TransferOptions } from '../transports/transport.js';

/**
 * Reads the index of each set from the remote, and compares it with the name of the set: without its indexes
 * nobody finds what a remote has.
 * @throws {RemoteError} unless all of them are there; {CorruptError} if one is another.
 */
export async function checkIndexes(
  source: RemoteReader,
  sets: readonly SetInfo[],
  { signal }: TransferOptions,
): Promise<void> {
  const how = signal ? { signal } : {};
  await forEachLimit(sets, source.concurrency, async (info) => {
    const { name, size } = remoteFile(info, 'idx');
    // The checksum at its end, which names the set, is of all bytes before.
    const end = Math.max(0, size - info.id.length / 2);
    const hash = sha256();
    const sum: Uint8Array[] = [];
    let at = 0;
    const take = async (bytes: Uint8Array): Promise<void> => {
      const cut = Math.max(0, Math.min(bytes.length, end - at));
      hash.update(bytes.subarray(0, cut));
      sum.push(new Uint8Array(bytes.subarray(cut)));
      at += bytes.length;
    };
    await source.read(name, { start: 0, end: size }, take, how);
    const found = hash.digest('hex').slice(0, info.id.length);
    if (found === info.id && Buffer.concat(sum).toString('hex') === info.id) return;
    throw damagedRemote(source.shown, `'${name}' is not what its name says`);
  });
}
