/** Files that a checkpoint of a version needs, as its index or its network names them, and the version lacks. */

import { quoteSome } from '../../../base/bytes/words/wording.js';
import { readLayout } from '../../../pure/formats/detect.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import { structureSource } from '../../../storage/objects/stored/stored-structure.js';
import type { FilePage, Snapshot } from '../../../storage/repo/version/file-page.js';
import { resolveReferences } from '../../../storage/repo/version/snapshots.js';
import type { OpContext } from '../../context.js';

/** Formats whose files name others as parts of the same checkpoint. */
const NAMING = new Set(['safetensors-index', 'torch-distributed', 'onnx']);

/** Warns of a checkpoint that is not whole, since its version lacks files that it names. */
export async function warnOfMissingParts(
  repo: ReadAccess,
  { files }: Pick<FilePage, 'files'>,
  { key }: Pick<Snapshot, 'key'>,
  { signal, warn }: Pick<OpContext, 'signal' | 'warn'>,
): Promise<void> {
  const file = files.find(({ path }) => path === key);
  if (file === undefined) return;
  const stored = await openStoredFile(repo, file);
  if (!NAMING.has(stored.skeleton?.format ?? '')) return;
  const source = structureSource(repo, stored);
  if (source === null) return;
  const named = (await readLayout(source, signal)).references;
  const paths = new Set(files.map(({ path }) => path));
  const missing = resolveReferences(key, named).references.filter((path) => !paths.has(path));
  if (missing.length === 0) return;
  warn(`'${key}' is not whole: the version lacks ${quoteSome(missing)}, which it names`, 'last');
}
