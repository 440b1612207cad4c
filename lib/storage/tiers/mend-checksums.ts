/** Checksums that a container keeps of its data, made right after the data were changed. */
import { patchFile, ReadFile } from '../../base/files/files.js';
import { findChecksumPatches } from '../../pure/formats/zip/zip-checksums.js';

/** Formats whose files carry checksums of their data. */
const ZIP_FORMATS = new Set(['torch', 'npz']);

/** True if files of a format carry checksums of their data. */
export function hasChecksums(format: string): boolean {
  return ZIP_FORMATS.has(format);
}

/** Makes the checksums in a file those of its data. @param name  for messages. */
export async function mendChecksums(
  file: string,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const source = await ReadFile.open(file, name);
  let patches: Awaited<ReturnType<typeof findChecksumPatches>>;
  try {
    patches = await findChecksumPatches(source, signal);
  } finally {
    await source.close();
  }
  await patchFile(file, patches);
}
