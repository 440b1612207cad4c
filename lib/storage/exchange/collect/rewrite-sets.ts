/** Writes the live records of some sets of a remote into new ones, as they are stored; and which sets are worth it. */

import { newWorkName } from '../../repo/processes/made-names.js';
import { copyRecords } from '../../store/merge.js';
import { RollingWriter, removeSealed } from '../../store/packs/rolling-writer.js';
import { type SealedSet, type SetInfo, setBytes } from '../../store/types.js';
import { RecordRanges } from '../fetching/record-ranges.js';
import type { PushEnds } from '../pushing/push-ends.js';
import { sendSet } from '../pushing/upload.js';
import { readingRemote } from '../remote/remote-damage.js';
import { remoteFile } from '../remote/remote-store.js';
import type { TransferOptions } from '../transports/transport.js';
import type { OpenSurvey } from './open-survey.js';
import type { SurveyedSet } from './survey-remote.js';

/** A set is written again if it holds this share of garbage. */
const WASTE_SHARE = 0.25;
/** Small sets are joined if there are more than this. */
const SMALL_SETS_MAX = 64;
const SMALL_SET_BYTES = 8 * 1024 * 1024;

/** Sets of which much is garbage, and small ones if there are many. */
export function chooseRewritten(sets: readonly SurveyedSet[]): SurveyedSet[] {
  const needed = sets.filter(({ live }) => live.length > 0);
  const small = needed.filter(({ info }) => setBytes(info) < SMALL_SET_BYTES);
  const joined = new Set(small.length > SMALL_SETS_MAX ? small : []);
  return needed.filter(
    (set) => joined.has(set) || set.bytes - set.liveBytes > set.bytes * WASTE_SHARE,
  );
}

/** @returns the new sets, which the remote has now and nothing lists. */
export async function rewriteSets(
  { repo, remote, cache }: PushEnds,
  survey: OpenSurvey,
  sets: readonly SurveyedSet[],
  options: TransferOptions,
): Promise<SetInfo[]> {
  const { backend } = repo.store;
  const made: SetInfo[] = [];
  const sink = new RollingWriter({
    backend,
    tmpName: () => newWorkName('push'),
    onSealed: async (sealed: SealedSet) => {
      try {
        await sendSet({ repo, remote, cache }, sealed, options);
        made.push(sealed.info);
      } finally {
        await removeSealed(backend, [sealed]);
      }
    },
  });
  try {
    for (const { info, live } of sets) {
      const wanted = new RecordRanges();
      for (const entry of live) wanted.add(entry);
      for (const [fileClass, ranges] of wanted.joined()) {
        await survey.incoming.need(remoteFile(info, fileClass), ranges);
      }
      // Blobs first, and each kind in the order in which it stands: bases before their deltas.
      const entries = [...live].sort(
        (a, b) => Number('segment' in a) - Number('segment' in b) || a.offset - b.offset,
      );
      await readingRemote(remote.shown, () =>
        copyRecords(survey.remote.backend, entries, sink, options.signal),
      );
    }
    await sink.flush();
    return made;
  } finally {
    await sink.abort();
  }
}
