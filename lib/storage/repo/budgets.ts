/**
 * The budgets file: the options of the last `dlv archive`, and what it promised for each snapshot.
 * If the file is lost, the next run plans everything again. @see docs/format/budgets.md
 */

import { type Id, isId } from '../../base/bytes/hash.js';
import { linesOf } from '../../base/bytes/lines.js';
import { sealReadable, unseal } from '../../base/bytes/sealed.js';
import { CorruptError, DlvError, FormatVersionError } from '../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../base/files/files.js';
import { MANIFEST_BYTES_MAX } from '../../base/limits.js';
import { ROLES, type Role } from '../../pure/tensor/layout.js';
import type { Layout } from './layout.js';
import type { RepositoryLock } from './processes/lock.js';

/** How the extents of a snapshot are rebuilt, and so how their costs add up. */
export const SCHEMES = ['independent', 'parallel', 'reusable'] as const;
/** What recreation costs are counted in. */
export const UNITS = ['bytes', 'ms'] as const;

/** A promise to one snapshot. */
export interface SnapshotPromise {
  version: Id;
  key: string;
  role: Role;
  /** Most that its recreation may cost, in the unit; null for no limit. */
  budget: number | null;
  /** What it costs by the plan. */
  planned: number;
}

export interface Budgets {
  scheme: (typeof SCHEMES)[number];
  unit: (typeof UNITS)[number];
  /** What was asked for, in the words of `--budget`. */
  asked: string[];
  snapshots: SnapshotPromise[];
}

const FORMAT = 1;
/** A line holds at least the words of its members. */
const LINE_CHARS_MIN = '{"format":1,"scheme":,"unit":,"asked":}'.length;

/** Text of the file before its checksum line: a line of settings, then one per snapshot. */
export function formatBudgets(budgets: Budgets): string {
  const { scheme, unit, asked, snapshots } = budgets;
  const lines = [{ format: FORMAT, scheme, unit, asked }, ...snapshots.map(packPromise)];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function packPromise(promise: SnapshotPromise): unknown {
  const { version, key, role, budget, planned } = promise;
  return { version, key, role, budget, planned };
}

/** The mirror of formatBudgets. @throws {CorruptError} {FormatVersionError} */
export function parseBudgets(text: string, file: string): Budgets {
  const [first, ...rest] = linesOf(text, LINE_CHARS_MIN) ?? [];
  if (first === undefined) throw damaged(file);
  try {
    const settings = JSON.parse(first) as Record<string, unknown>;
    if (Number.isSafeInteger(settings.format) && (settings.format as number) > FORMAT) {
      throw new FormatVersionError(
        `'${file}' has the form ${settings.format}, this dlv reads ${FORMAT}`,
        { file, hint: 'a newer dlv wrote it: upgrade dlv' },
      );
    }
    const scheme = SCHEMES.find((name) => name === settings.scheme);
    const unit = UNITS.find((name) => name === settings.unit);
    const asked = settings.asked;
    const isKnown = settings.format === FORMAT && Array.isArray(asked);
    if (scheme === undefined || unit === undefined || !isKnown) throw damaged(file);
    if (!asked.every((word) => typeof word === 'string')) throw damaged(file);
    return { scheme, unit, asked, snapshots: rest.map((line) => parsePromise(line, file)) };
  } catch (error) {
    throw error instanceof DlvError ? error : damaged(file);
  }
}

function parsePromise(line: string, file: string): SnapshotPromise {
  const found = JSON.parse(line) as Record<string, unknown>;
  const { version, key, budget, planned } = found;
  const role = ROLES.find((name) => name === found.role);
  const isCost = (cost: unknown): cost is number => typeof cost === 'number' && cost >= 0;
  if (typeof version !== 'string' || !isId(version) || typeof key !== 'string') throw damaged(file);
  if (role === undefined || !isCost(planned)) throw damaged(file);
  if (budget !== null && !isCost(budget)) throw damaged(file);
  return { version, key, role, budget, planned };
}

function damaged(file: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: it is not a list of budgets`, {
    file,
    hint: "run 'dlv fsck --rebuild': the next 'dlv archive' plans everything again",
  });
}

/** What the last archive run promised; null before the first. @throws {CorruptError} */
export async function readBudgets(layout: Layout): Promise<Budgets | null> {
  const file = layout.budgets;
  try {
    return parseBudgets(unseal(await readSmallFile(file, MANIFEST_BYTES_MAX), file), file);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Replaces the file. */
export async function writeBudgets(lock: RepositoryLock, budgets: Budgets): Promise<void> {
  lock.assertHeld();
  const file = lock.layout.budgets;
  await writeFileAtomic(file, sealReadable(formatBudgets(budgets), file, parseBudgets));
}
