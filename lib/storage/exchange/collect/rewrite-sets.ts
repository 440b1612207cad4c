/** Writes the live records of some sets of a remote into new ones, as they are stored. */

import { TRANSFER_GAP_BYTES } from '../../../base/limits.js';
import { newWorkName } from '../../repo/processes/made-names.js';
import { copyRecords } from '../../store/merge.js';
import { RollingWriter, removeSealed } from '../../store/packs/rolling-writer.js';
import type { FileClass, SealedSet, SetInfo } from '../../store/types.js';
import { rangesOf } from '../fetching/record-ranges.js';
import { sendSet } from '../push-objects.js';
import type { PushEnds } from '../push-plan.js';
import { joinRanges } from '../ranges.js';
import { remoteFile } from '../remote-store.js';
import type { ByteRange, TransferOptions } from '../transports/transport.js';
import type { OpenSurvey } from './open-survey.js';
import type { SurveyedSet } from './survey-remote.js';

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
      const wanted = new Map<FileClass, ByteRange[]>();
      for (const { fileClass, range } of live.flatMap(rangesOf)) {
        if (range.end === range.start) continue;
        const ranges = wanted.get(fileClass);
        if (ranges) ranges.push(range);
        else wanted.set(fileClass, [range]);
      }
      for (const [fileClass, ranges] of wanted) {
        await survey.incoming.need(
          remoteFile(info, fileClass),
          joinRanges(ranges, TRANSFER_GAP_BYTES),
        );
      }
      // Blobs first, and each kind in the order in which it stands: bases before their deltas.
      const entries = [...live].sort(
        (a, b) => Number('segment' in a) - Number('segment' in b) || a.offset - b.offset,
      );
      await copyRecords(survey.remote.backend, entries, sink, options.signal);
    }
    await sink.flush();
    return made;
  } finally {
    await sink.abort();
  }
}
