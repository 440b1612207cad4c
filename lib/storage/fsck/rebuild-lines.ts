/** The parts of `fsck --rebuild` before and after refs: newer repositories, lines of staging, budgets. */
import { isDamage } from '../../base/errors.js';
import { readSmallFile, removeFile, statOrNull, syncDirectory } from '../../base/files/files.js';
import { MANIFEST_BYTES_MAX } from '../../base/limits.js';
import type { ReadAccess } from '../objects/access.js';
import { countNumbers } from '../objects/count-numbers.js';
import { readBudgets } from '../repo/budgets.js';
import { readFormat } from '../repo/format.js';
import { dropKept } from '../repo/kept.js';
import type { Layout } from '../repo/layout.js';
import {
  formatNumbers,
  type NumberMarks,
  raiseMark,
  readNumbers,
  writeNumbers,
} from '../repo/numbers.js';
import type { RepositoryLock } from '../repo/processes/lock.js';
import { readHead } from '../repo/refs/head.js';
import { branchRefName } from '../repo/refs/ref-name.js';
import { readRef } from '../repo/refs/refs.js';
import { readLineStagings, readStaging, writeStaging } from '../repo/staging/staging-file.js';
import { decodeManifest } from '../store/manifest.js';
import { copyToTrash } from './copy-to-trash.js';
import type { RebuildReport } from './rebuild.js';
import { isReadable, isSound, type RefRepair } from './rebuild-state.js';

/** @throws {FormatVersionError} if a newer dlv wrote the repository: nothing of it must be replaced. */
export async function refuseNewer(layout: Layout): Promise<void> {
  const reads = [
    () => readFormat(layout),
    async () =>
      decodeManifest(await readSmallFile(layout.manifest, MANIFEST_BYTES_MAX), 'manifest'),
    () => readStaging(layout),
    () => readBudgets(layout),
    () => readNumbers(layout),
  ];
  for (const read of reads) await isSound(read);
}

/**
 * Lines of staging that are based on an unreadable version are based on the tip of their branch from
 * now on: what is staged stays staged.
 */
export async function rebuildLines(
  repo: RefRepair,
  lock: RepositoryLock,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  const { staging } = await readStaging(layout);
  const head = await readHead(layout);
  let isChanged = false;
  for (const line of staging.models()) {
    const parents = [];
    for (const id of line.otherParents) if (await isReadable(repo, id)) parents.push(id);
    isChanged ||= parents.length !== line.otherParents.length;
    line.otherParents = parents;
    const { base, model } = line;
    if (base === null || (await isReadable(repo, base))) continue;
    if (line.branch === null && head.kind === 'branch' && head.model === model) {
      line.branch = head.branch;
    }
    const tip =
      line.branch === null ? null : await readRef(layout, branchRefName(model, line.branch));
    line.base = tip !== null && (await isReadable(repo, tip)) ? tip : null;
    isChanged = true;
    report.done.push(
      `the staged files of '${model}' are based on ${line.base?.slice(0, 10) ?? 'no version'} now: ` +
        `version ${base} cannot be read`,
    );
  }
  if (!isChanged) return;
  await copyToTrash(layout, 'staging');
  await writeStaging(lock, staging);
}

/**
 * Raises the highest numbers to those of the versions that are here, and counts them all where they are
 * damaged or lost: what was given to versions that are gone is not known then.
 */
export async function rebuildNumbers(
  repo: ReadAccess,
  lock: RepositoryLock,
  report: RebuildReport,
): Promise<void> {
  const { layout } = repo;
  const sound = await soundNumbers(layout);
  // Before the first number was given there is nothing to keep.
  if (sound === 'none') return;
  await repo.store.reload();
  const marks = await countNumbers(repo);
  const old: NumberMarks = sound ?? new Map();
  for (const [model, { highest }] of old) raiseMark(marks, model, highest);
  if (sound !== null && formatNumbers(marks) === formatNumbers(sound)) return;
  await copyToTrash(layout, 'numbers');
  await writeNumbers(lock, marks);
  report.done.push(
    sound === null
      ? "rebuilt 'numbers' from the versions that are here: numbers of versions that are gone may be given again"
      : "raised 'numbers' to the numbers of the versions that are here",
  );
}

/** null if they are damaged or lost. */
async function soundNumbers(layout: Layout): Promise<NumberMarks | 'none' | null> {
  try {
    return (await readNumbers(layout)) ?? 'none';
  } catch (error) {
    if (!isDamage(error)) throw error;
    return null;
  }
}

/** Sets what is staged for a branch apart aside where it is damaged: it is added again with `--branch`. */
export async function rebuildStagedApart(layout: Layout, report: RebuildReport): Promise<void> {
  const damaged: string[] = [];
  await readLineStagings(layout, (file, error) => {
    if (!isDamage(error)) throw error;
    damaged.push(file);
  });
  for (const file of damaged) {
    const name = layout.nameOf(file);
    await copyToTrash(layout, name);
    await removeFile(file);
    await syncDirectory(layout.lines);
    report.done.push(
      `moved the damaged '${name}' to trash: add what was staged with --branch again`,
    );
  }
}

/** Sets a damaged list of promises aside: the next archive run plans everything again. */
export async function rebuildBudgets(layout: Layout, report: RebuildReport): Promise<void> {
  if ((await statOrNull(layout.budgets)) === null) return;
  if (await isSound(() => readBudgets(layout))) return;
  await copyToTrash(layout, 'budgets');
  await removeFile(layout.budgets);
  await dropKept(layout, 'budgets');
  await syncDirectory(layout.dir);
  report.done.push("moved the damaged 'budgets' to trash: the next archive run plans again");
}
