/**
 * Chooses a checkpoint if a version has several: one that the trainer saved outside its numbered
 * ones, else that of the last step; the network itself before copies of it in fewer bits.
 */
import { quoteSome } from '../../../base/bytes/words/wording.js';
import { NotFoundError } from '../../../base/errors.js';
import { seriesOf } from '../../../pure/paths/checkpoint-names.js';
import { comparePaths } from '../../../pure/paths/version-path.js';
import type { Role } from '../../../pure/tensor/layout.js';
import type { FilePage, Snapshot } from '../../../storage/repo/version/file-page.js';
import type { OpContext } from '../../context.js';

export interface SnapshotChoice {
  role?: Role;
  /** Its key, one of its files, or a folder above it. */
  path?: string;
}

export interface PickedSnapshot {
  snapshot: Snapshot;
  /** The others that were to choose from, the best first. */
  others: Snapshot[];
}

/** Formats in which the same weights lie side by side, the most direct first. */
const FORMATS = [
  /\.safetensors(\.index\.json)?$/,
  /\.(bin|pt|pth|ckpt)(\.index\.json)?$/,
  /\.npz$/,
];
/** Names by which trainers call the network itself. */
const NETWORK = /^(model|pytorch_model|weights)\b/;

/** Words in paths of copies of the network in fewer bits. */
const FEWER_BITS =
  /(^|[-_./])(b?f(p|loat)?16|half|(u?int|i|q|w)[48]|[48]bit|gptq|awq|quanti[sz]ed|quant)(?=[-_./]|$)/i;

/** True if `path` is `folder` or lies below it; an empty folder is the root. */
export function isBelow(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}

/** The snapshot that is meant, or null if there is none. */
export function pickSnapshot(
  { snapshots }: Pick<FilePage, 'snapshots'>,
  { role = 'weights', path }: SnapshotChoice,
): PickedSnapshot | null {
  const folder = path?.replace(/\/+$/, '');
  const found = snapshots.filter(
    (snapshot) => snapshot.role === role && (folder === undefined || isBelow(snapshot.key, folder)),
  );
  const [snapshot, ...others] = found.sort(compare);
  return snapshot === undefined ? null : { snapshot, others };
}

function compare(a: Snapshot, b: Snapshot): number {
  for (const rank of RANKS) {
    const difference = rank(a) - rank(b);
    if (difference !== 0) return difference;
  }
  return comparePaths(a.key, b.key);
}

const RANKS: readonly ((snapshot: Snapshot) => number)[] = [
  ({ key }) => (seriesOf(key) === null ? 0 : 1),
  ({ step }) => -(step ?? -1),
  ({ key }) => (NETWORK.test(nameOf(key)) ? 0 : 1),
  ({ key }) => (FEWER_BITS.test(key) ? 1 : 0),
  ({ key }) => key.split('/').length,
  ({ key }) => {
    const at = FORMATS.findIndex((pattern) => pattern.test(key));
    return at < 0 ? FORMATS.length : at;
  },
];

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** As `pickSnapshot`, and says what else there was. @throws {NotFoundError} if there is none. */
export function chooseSnapshot(
  page: Pick<FilePage, 'snapshots'>,
  choice: SnapshotChoice,
  label: string,
  context: OpContext,
): PickedSnapshot {
  const picked = pickSnapshot(page, choice);
  const { role = 'weights', path } = choice;
  if (picked === null) {
    const where = path === undefined ? label : `'${path}' of ${label}`;
    const roles = [...new Set(page.snapshots.map((snapshot) => snapshot.role))];
    throw new NotFoundError(`${where} has no ${role}`, {
      kind: 'snapshot',
      name: path ?? label,
      hint:
        roles.length === 0
          ? 'none of its files has tensors that dlv can read'
          : `${elsewhere(page.snapshots, choice, roles)}: 'dlv show' lists what a version has`,
    });
  }
  const { snapshot, others } = picked;
  if (others.length > 0) {
    const names = quoteSome(others.map(({ key }) => key));
    context.warn(`using ${role} of '${snapshot.key}'; there are also ${names}`);
  }
  return picked;
}

/** Where else there is what was looked for, or what there is instead. */
function elsewhere(
  snapshots: readonly Snapshot[],
  { role = 'weights', path }: SnapshotChoice,
  roles: readonly Role[],
): string {
  const keys = snapshots.filter((snapshot) => snapshot.role === role).map(({ key }) => key);
  if (path === undefined || keys.length === 0) return `there is ${roles.join(' and ')}`;
  return `there is ${role} in ${quoteSome(keys)}`;
}
