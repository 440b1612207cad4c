/**
 * Whether what a fetch counted on changed under it, here or at the remote: then what it found missing is no
 * damage, and it begins again with what is listed now.
 */
import { ConflictError, DlvError, isDamage } from '../../../base/errors.js';
import { isMissing } from '../../../base/files/files.js';
import type { ObjectStore } from '../../store/object-store.js';
import type { SetId } from '../../store/types.js';
import type { RemoteReader } from '../remote/remote.js';
import type { TransferOptions } from '../transports/transport.js';

/** Runs of one fetch, each after the first because something changed under the one before. */
const RUNS_MAX = 4;

/** That another command took away sets of this repository. */
export function disturbedHere(): ConflictError {
  return new ConflictError('another command collected or merged packs while objects were fetched', {
    gone: true,
    hint: 'run the command again: what has arrived is not fetched again',
  });
}

/** @throws {ConflictError} if sets went away that were counted on. */
export async function checkUndisturbed(store: ObjectStore, seen: Iterable<SetId>): Promise<void> {
  await store.reload();
  const listed = new Set(store.sets().map(({ id }) => id));
  if (![...seen].every((id) => listed.has(id))) throw disturbedHere();
}

/** Runs something that reads listed sets. @throws {ConflictError} instead of damage if these changed meanwhile. */
export async function unlessDisturbed<T>(store: ObjectStore, action: () => Promise<T>): Promise<T> {
  const before = filesOf(store);
  try {
    return await action();
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    await store.renew();
    throw filesOf(store) === before ? error : disturbedHere();
  }
}

/** Which files of which sets are here. */
function filesOf(store: ObjectStore): string {
  return JSON.stringify(store.sets().map(({ id }) => [id, store.promised?.absent(id) ?? []]));
}

/** True if a file went away that was listed: another command was at work, here or where is read from. */
function isGone(error: unknown): boolean {
  const data = error instanceof DlvError ? error.data : {};
  return isMissing(error) || data.missing === true || data.gone === true;
}

/** One run of a fetch. */
export interface FetchRun<T> {
  run(): Promise<T>;
  /** Forgets what earlier runs brought, if it may be torn. @returns true if there was any. */
  forgetTorn(): Promise<boolean>;
}

/**
 * Fetches; what went away meanwhile, or was left torn by an earlier run, is looked for once more.
 * @throws {ConflictError} if the remote kept changing; what the run throws.
 */
export async function whileItChanges<T>(
  store: ObjectStore,
  source: RemoteReader,
  begin: () => FetchRun<T>,
  options: TransferOptions = {},
): Promise<T> {
  let hasMoved = false;
  for (let attempt = 1; ; attempt++) {
    const fetch = begin();
    try {
      return await fetch.run();
    } catch (error) {
      const isTorn = isDamage(error) && (await fetch.forgetTorn());
      if (!isTorn && !isDamage(error) && !isGone(error)) throw error;
      const isMoved = await source.renew(options);
      hasMoved ||= isMoved;
      const isHere = error instanceof DlvError && error.data.gone === true;
      const again = isMoved || isHere ? attempt < RUNS_MAX : attempt === 1 && !isDamage(error);
      if (!again && !(isTorn && attempt === 1)) throw hasMoved ? movedThere(source) : error;
      await store.renew();
    }
  }
}

function movedThere({ shown }: RemoteReader): ConflictError {
  return new ConflictError(`'${shown}' changed while it was read`, {
    url: shown,
    hint: 'run the command again: what has arrived is not fetched again',
  });
}
