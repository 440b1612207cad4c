/** Whether a repository changed: what decides which objects it needs, and where they are. */

import { sha256 } from '../../base/bytes/hash.js';
import { isDamage } from '../../base/errors.js';
import { isMissing, readSmallFile, statOrNull } from '../../base/files/files.js';
import { listTree, readFiles } from '../../base/files/small-files.js';
import { MANIFEST_BYTES_MAX, STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from '../repo/layout.js';

/**
 * A text that is another one once a command changed manifest, HEAD, staging, refs or notes. Bytes are
 * taken as they are, so damage is not a hindrance.
 */
export async function markState(layout: Layout): Promise<string> {
  const hash = sha256();
  for (const file of [layout.manifest, layout.head]) {
    const bytes = await readSmallFile(file, MANIFEST_BYTES_MAX).catch((error: unknown) => {
      if (isMissing(error) || isDamage(error)) return new Uint8Array(0);
      throw error;
    });
    hash.update(`${bytes.length} `).update(bytes);
  }
  // Staging may be large, and every write makes it another file.
  const staging = (await statOrNull(layout.staging))?.stat;
  hash.update(`${staging?.inode} ${staging?.size} ${staging?.mtimeNs} ${staging?.ctimeNs}\n`);
  const names = await listTree(layout.refs);
  for await (const { name, bytes } of readFiles(layout.refs, names, STATE_FILE_BYTES_MAX)) {
    hash.update(`${name} ${bytes.length} `).update(bytes);
  }
  return hash.digest('hex');
}
