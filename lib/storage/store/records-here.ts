/** Records of listed sets, without what remotes promised. */

import type { Id } from '../../base/bytes/hash.js';
import { isDamage } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import type { Backend } from './backends/backend.js';
import { packName } from './names.js';
import {
  readBlobAt,
  readPlanesAt,
  readSegmentAt,
  readSegmentHeadAt,
} from './packs/read-records.js';
import { checkHere, type Promised, type RecordsHere } from './promised.js';
import {
  type BlobEntry,
  type FileClass,
  PLANE_CLASSES,
  type SegmentEntry,
  type SetId,
} from './types.js';

/** How live records are looked up. */
interface LiveEntries {
  segment(id: Id, segment: number): Promise<SegmentEntry | null>;
  blob(id: Id): Promise<BlobEntry | null>;
  /** Runs a look-up again if the manifest changed under it. */
  retrying<T>(lookUp: () => Promise<T | null>): Promise<T | null>;
}

function namesOf({ set }: { set: SetId }): (fileClass: FileClass) => string {
  return (fileClass) => packName(set, fileClass);
}

export function recordsHere(
  backend: Backend,
  live: LiveEntries,
  promised: () => Promised | null,
): RecordsHere {
  const here: RecordsHere = {
    findSegment: (id, segment) => live.retrying(() => live.segment(id, segment)),
    readBlob: (id) =>
      live.retrying(async () => {
        const entry = await live.blob(id);
        return entry && readBlobAt(backend, namesOf(entry), entry);
      }),
    openSegment: (id, segment) =>
      live.retrying(async () => {
        const entry = await live.segment(id, segment);
        return entry && readSegmentHeadAt(backend, namesOf(entry), entry);
      }),
    readSegment: (id, segment, classes = PLANE_CLASSES) =>
      live.retrying(async () => {
        const entry = await live.segment(id, segment);
        if (entry === null) return null;
        checkHere(promised(), entry, classes);
        return readSegmentAt(backend, namesOf(entry), entry, classes);
      }),
    readPlanes: async (head, classes) => {
      const { entry } = head;
      try {
        checkHere(promised(), entry, classes);
        return await readPlanesAt(backend, namesOf(entry), head, classes);
      } catch (error) {
        if (!isMissing(error) && !isDamage(error)) throw error;
        return here.readSegment(entry.id, entry.segment, classes);
      }
    },
  };
  return here;
}
