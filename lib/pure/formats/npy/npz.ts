/**
 * NumPy .npz: a zip archive of .npy entries. Stored entries are extents where they lie; compressed
 * ones stay opaque, as a small change of the values changes all their bytes.
 *
 * Read as NumPy reads it: of entries with one name the last counts, and of archives that are joined
 * in one file the last.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { counted } from '../../../base/bytes/words/wording.js';
import { isDamage } from '../../../base/errors.js';
import { blobLayout, type FileLayout, type TensorSpan } from '../../tensor/layout.js';
import type { FormatReader } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { NearSource } from '../near-source.js';
import { assignRoles } from '../roles.js';
import { firstZipName, looksLikeZip, readZip, ZIP_STORED, type ZipArchive } from '../zip/zip.js';
import type { ZipEntry } from '../zip/zip-directory.js';
import { readNpyArray } from './npy.js';

const SUFFIX = '.npy';

export const npzReader: FormatReader = {
  name: 'npz',
  // Arrays may be behind other entries: any archive can be one.
  matches: looksLikeZip,

  async layout(source, signal) {
    const budget = new MemoryBudget(source.name);
    let archive: ZipArchive;
    try {
      archive = await readZip(source, { signal, budget });
    } catch (error) {
      if (isDamage(error) && !(await beginsWithArray(source))) return blobLayout();
      throw error;
    }
    const { entries } = archive;
    // Archives that were written into one file handle count their offsets from its beginning.
    const start = entries.reduce((at, { headerOffset }) => Math.min(at, headerOffset), source.size);
    const arrays = lastOfEachName(entries).filter((entry) => entry.name.endsWith(SUFFIX));
    if (arrays.length === 0) return blobLayout();
    const layout: FileLayout = { ...blobLayout(), format: 'npz' };
    if (start > 0) {
      layout.warnings.push(
        `NumPy reads the last archive of the file; ${start} bytes before it are kept as opaque bytes`,
      );
    }
    const stored = arrays.filter((entry) => entry.method === ZIP_STORED);
    const names = new Set(entries.map((entry) => entry.name));
    const near = new NearSource(source);
    for (const entry of stored.sort((a, b) => a.dataOffset - b.dataOffset)) {
      throwIfAborted(signal);
      const short = entry.name.slice(0, -SUFFIX.length);
      // NumPy gives an entry that is called 'a' for the key 'a', if there is one.
      const name = names.has(short) ? entry.name : short;
      await addArray({ source: near, layout, budget }, entry, name);
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
    const hidden = entries.length - names.size;
    if (hidden > 0) {
      layout.warnings.push(
        `${counted(hidden, 'entry has', 'entries have')} a name that a later one has too: kept as opaque bytes`,
      );
    }
    return budget.layout(layout);
  },
};

/** True if the file looks like an npz whatever its directory says. */
async function beginsWithArray(source: ByteSource): Promise<boolean> {
  const head = await source.read(0, Math.min(source.size, 30 + 0xffff));
  return firstZipName(head)?.endsWith(SUFFIX) ?? false;
}

/** Of entries that share a name, the last of the directory. */
function lastOfEachName(entries: readonly ZipEntry[]): ZipEntry[] {
  return [...new Map(entries.map((entry) => [entry.name, entry])).values()];
}

/** Adds the array of one stored entry, or a warning if the entry is not what it seems. */
async function addArray(
  { source, layout, budget }: { source: ByteSource; layout: FileLayout; budget: MemoryBudget },
  entry: ZipEntry,
  name: string,
): Promise<void> {
  try {
    const file = `${source.name}/${entry.name}`;
    const array = await readNpyArray(source, entry.dataOffset, entry.size, file);
    budget.grant(array.tensor.offset - entry.dataOffset);
    budget.chargeTensor(name, array.tensor.shape.length);
    budget.charge(CHARGES.extent);
    if (array.extent !== null) layout.extents.push(array.extent);
    layout.tensors.push({ name, ...array.tensor, role: 'weights' });
  } catch (error) {
    // Beyond the budget there is no room for the other arrays either.
    if (!isDamage(error) || error.data.limit === 'LAYOUT_MEMORY_BYTES_MAX') throw error;
    budget.charge(2 * error.message.length);
    layout.warnings.push(`array '${name}' is kept as opaque bytes: ${error.message}`);
  }
}
