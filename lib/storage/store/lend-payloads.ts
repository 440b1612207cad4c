/** Payloads of segments in open files, for a kernel that reads them itself. */
import { IoError } from '../../base/errors.js';
import type { Backend, LentFile } from './backends/backend.js';
import { type FileNames, placeOf, type SegmentHeadAt } from './packs/read-records.js';
import type { LentPayloads, PlaneClass } from './types.js';

/**
 * Opens the payloads of an opened segment for the kernel; null where it cannot read them from a file.
 * Whoever gets them releases them.
 */
export async function lendPayloads(
  { backend, names }: { readonly backend: Backend; readonly names: FileNames },
  { entry, crcs }: SegmentHeadAt,
  classes: readonly PlaneClass[],
): Promise<LentPayloads | null> {
  if (backend.lendFile === undefined) return null;
  const files: LentFile[] = [];
  const release = (): void => {
    for (const file of files) file.release();
  };
  const payloads: LentPayloads['payloads'] = { hi: null, mid: null, low: null };
  try {
    for (const plane of classes) {
      const { fileClass, offset, bytes } = placeOf(entry, plane);
      if (bytes === 0) continue;
      const file = await backend.lendFile(names(fileClass), offset + bytes);
      if (file === null) {
        release();
        return null;
      }
      files.push(file);
      payloads[plane] = { fd: file.fd, offset, bytes, crc: crcs[plane] };
    }
  } catch (error) {
    release();
    // Whoever reads it by other means meets the error again, and looks whether its set was replaced.
    if (error instanceof IoError) return null;
    throw error;
  }
  return { payloads, release };
}
