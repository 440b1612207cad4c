/** Approximate copies of files among those that are to be added: they must not pass for the exact ones. */
import { ConflictError } from '../../base/errors.js';
import { ReadFile } from '../../base/files/files.js';
import { MARK_BYTES, markOf } from '../../pure/formats/approximate-mark.js';
import { type Approximation, readApproximations } from '../../storage/repo/approximations.js';
import type { Layout } from '../../storage/repo/layout.js';
import type { OpContext } from '../context.js';
import { hashFile } from './changes.js';

/** What is to be stored, as far as this room goes. */
interface Plan {
  changed: string[];
  readonly named: ReadonlySet<string>;
  readonly failures: { path: string; error: unknown }[];
}

/** Leaves approximate copies out of a plan: those that were named as failures, others with a warning. */
export async function leaveOutCopies(
  layout: Layout,
  plan: Plan,
  context: OpContext,
): Promise<void> {
  const known = await readApproximations(layout);
  const kept: string[] = [];
  for (const path of plan.changed) {
    const says = await copyOf(layout.workFile(path), known, context);
    if (says === null) {
      kept.push(path);
      continue;
    }
    const error = new ConflictError(`'${path}' is an approximate copy: ${says}`, {
      path,
      hint: `'dlv restore ${path}' writes the exact file; to store the copy as what it is, add it with --approximate`,
    });
    if (plan.named.has(path)) plan.failures.push({ path, error });
    else context.warn(`'${path}' is skipped: it is an approximate copy, ${says}`);
  }
  plan.changed = kept;
}

/** What is known of a file that is an approximate copy; null if it is none, or cannot be read now. */
async function copyOf(
  file: string,
  known: ReadonlyMap<string, Approximation>,
  { signal }: OpContext,
): Promise<string | null> {
  let source: ReadFile | null;
  try {
    source = await ReadFile.openIfThere(file);
  } catch {
    // What is the matter is said when it is stored.
    return null;
  }
  if (source === null) return null;
  const { size } = source;
  try {
    const mark = markOf(await source.read(0, Math.min(size, MARK_BYTES)));
    if (mark !== null) return mark;
  } finally {
    await source.close();
  }
  if (![...known.values()].some((copy) => copy.size === size)) return null;
  const copy = known.get(await hashFile(file, signal));
  return copy === undefined
    ? null
    : `${copy.planes} leading planes of the file of sha256 ${copy.exact.slice(0, 10)}…`;
}
