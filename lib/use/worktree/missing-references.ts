/**
 * Warns about checkpoints that need other files (shards, external data) which are not staged with
 * them.
 */
import { quoteSome } from '../../base/bytes/words/wording.js';
import { statOrNull } from '../../base/files/files.js';
import type { Layout } from '../../storage/repo/layout.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import type { OpContext } from '../context.js';

/** What is looked through. */
export interface Referring {
  /** All files of a version, made or to be made. */
  entries: readonly Pick<StagedEntry, 'path' | 'hint'>[];
  /** Files that came, changed or went: what needs others is told of if it or one of these is among them. */
  changed: ReadonlySet<string>;
  /** 'staged' or 'in this version'. */
  where: string;
}

/** Warns, below the answer, of files that need others which are not among the entries. */
export async function warnOfMissing(
  layout: Layout,
  { entries, changed, where }: Referring,
  context: OpContext,
): Promise<void> {
  const needing = entries.filter(({ hint }) => hint.references.length > 0);
  if (needing.length === 0) return;
  const paths = new Set(entries.map((entry) => entry.path));
  for (const { path, hint } of needing) {
    const missing = hint.references.filter((reference) => !paths.has(reference));
    if (missing.length === 0) continue;
    if (![path, ...missing].some((one) => changed.has(one))) continue;
    const there = await Promise.all(missing.map((file) => look(layout, file)));
    const [are, them] = missing.length === 1 ? ['is', 'it'] : ['are', 'them'];
    const add = there.includes('link') ? 'dlv add --follow' : 'dlv add';
    const says = !there.includes(null)
      ? `${are} not ${where}: '${add}' stores ${them}`
      : `${are} not here: copy ${them} here and add ${them}, or the model cannot be loaded`;
    context.warn(`'${path}' needs ${quoteSome(missing)}, which ${says}`, 'last');
  }
}

/** What is in the place of a file; null if nothing is, or if it cannot be told. */
async function look(layout: Layout, path: string): Promise<'link' | 'other' | null> {
  const there = await statOrNull(layout.workFile(path)).catch(() => null);
  if (there === null) return null;
  return there.isSymlink ? 'link' : 'other';
}
