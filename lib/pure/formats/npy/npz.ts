/**
 * NumPy .npz: a zip archive of .npy entries. Stored entries are extents where they lie; compressed
 * ones stay opaque, as a small change of the values changes all their bytes.
 */
import { type ByteSource, throwIfAborted } from '../../../base/bytes/files.js';
import { isDamage } from '../../../base/errors.js';
import { blobLayout, type FileLayout, type TensorSpan } from '../../tensor/layout.js';
import type { FormatReader } from '../format.js';
import { assignRoles } from '../roles.js';
import { firstZipName, readZip, ZIP_STORED, type ZipEntry } from '../zip/zip.js';
import { readNpyArray } from './npy.js';

const SUFFIX = '.npy';

export const npzReader: FormatReader = {
  name: 'npz',

  matches(head) {
    return firstZipName(head)?.endsWith(SUFFIX) ?? false;
  },

  async layout(source, signal) {
    const { entries } = await readZip(source, signal);
    const arrays = entries.filter((entry) => entry.name.endsWith(SUFFIX));
    const stored = arrays.filter((entry) => entry.method === ZIP_STORED);
    const layout: FileLayout = { ...blobLayout(), format: 'npz' };
    for (const entry of stored.sort((a, b) => a.dataOffset - b.dataOffset)) {
      throwIfAborted(signal);
      await addArray(source, entry, layout);
    }
    const roles = assignRoles(layout.tensors.map((tensor) => tensor.name));
    for (const [i, role] of roles.entries()) (layout.tensors[i] as TensorSpan).role = role;
    layout.variable = entries
      .flatMap((entry) => entry.variable)
      .sort((a, b) => a.offset - b.offset);
    const packed = arrays.length - stored.length;
    if (packed > 0) {
      layout.warnings.push(
        `${packed} of ${arrays.length} arrays are compressed and kept as opaque bytes; ` +
          'save with numpy.savez instead of savez_compressed so that dlv can store what changed',
      );
    }
    return layout;
  },
};

/** Adds the array of one stored entry, or a warning if the entry is not what it seems. */
async function addArray(source: ByteSource, entry: ZipEntry, layout: FileLayout): Promise<void> {
  const name = entry.name.slice(0, -SUFFIX.length);
  try {
    const file = `${source.name}/${entry.name}`;
    const array = await readNpyArray(source, entry.dataOffset, entry.size, file);
    if (array.extent !== null) layout.extents.push(array.extent);
    layout.tensors.push({ name, ...array.tensor, role: 'weights' });
  } catch (error) {
    if (!isDamage(error)) throw error;
    layout.warnings.push(`array '${name}' is kept as opaque bytes: ${error.message}`);
  }
}
