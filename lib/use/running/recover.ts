/**
 * Recovers a run whose dlv was killed: what was complete becomes versions, and the record says that it crashed. What
 * the command wrote afterwards, if it went on for a while, is looked for as well.
 */
import type { Id } from '../../base/bytes/hash.js';
import { maxOf } from '../../base/bytes/many.js';
import { ConflictError } from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import { lookForProcess, ownIdentity } from '../../base/files/process.js';
import type { Layout } from '../../storage/repo/layout.js';
import {
  isCarriedOut,
  millisecondsOf,
  placeOf,
  type RunRecord,
  readRunRecord,
  recordPlace,
  versionsOf,
  writeRun,
} from '../../storage/repo/runs/run-record.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { CheckpointKeeper } from './checkpoints/checkpoint-keeper.js';
import { readFreshPlaces } from './checkpoints/fresh-places.js';
import { type HeldFile, heldFiles } from './checkpoints/held-files.js';
import { letGo } from './checkpoints/hold.js';
import { Scanner, type SeenPlace } from './checkpoints/scan.js';
import { commitHeld } from './commit-held.js';
import { noteEnd } from './note-end.js';
import { dropUntold } from './track.js';

/** What recovering a run did. */
export interface Recovered {
  run: string;
  model: string;
  branch: string;
  /** Versions that were made now. */
  made: Id[];
  /** Checkpoints that never were complete, or could not be stored. */
  left: { place: string; problem: string }[];
}

/** True if the command of a run still goes on although nobody carries out the run. */
export function isCommandThere({ child }: Pick<RunRecord, 'child'>): boolean {
  if (child === null) return false;
  const sight = lookForProcess(child.pid);
  return sight.kind === 'running' && (child.start === '0' || sight.start === child.start);
}

/** Takes over a run that nobody carries out. @throws {ConflictError} if somebody does. */
export async function takeOver(repo: StoreAccess, id: string): Promise<RunRecord> {
  const { layout } = repo;
  return repo.locked(async () => {
    const record = (await readRunRecord(layout, id)) as RunRecord;
    if (record.state === 'running' && (await isCarriedOut(layout, record))) {
      throw new ConflictError(`run ${id} is still carried out by process ${record.process?.pid}`, {
        run: id,
        hint: "end it first, or wait: 'dlv run list' shows what runs",
      });
    }
    const taken = { ...record, process: ownIdentity(), updated: Date.now() };
    await writeRun(layout, taken, { durable: true });
    return taken;
  });
}

/** @throws {ConflictError} if it still runs; {AbortedError} */
export async function recoverRun(
  repo: StoreAccess,
  id: string,
  context: OpContext,
): Promise<Recovered> {
  const { layout } = repo;
  const record = await takeOver(repo, id);
  const isThere = isCommandThere(record);
  const before = new Set(record.checkpoints.flatMap(({ version }) => version ?? []));
  if (isThere) {
    context.warn(
      `its command still runs as process ${record.child?.pid}: what it writes is left for later`,
    );
  } else if (record.kind === 'track') await dropUntold(layout, record);
  else await lookAgain(layout, record, context);
  const outcomes: Parameters<CheckpointKeeper['settleOutcome']>[0][] = [];
  const keeper = new CheckpointKeeper(layout, record, (message) => context.warn(message));
  // The trainer was done with what another checkpoint followed: it is stored whatever a reader says.
  const asIs = new Set(record.kind === 'track' ? allOf(record) : followed(record));
  await commitHeld(repo, record, { asIs, onOutcome: (outcome) => outcomes.push(outcome) }, context);
  for (const outcome of outcomes) await keeper.settleOutcome(outcome, true);
  if (record.state === 'running' && !isThere) {
    Object.assign(record, { state: 'crashed', ended: record.ended ?? record.updated, child: null });
  }
  record.process = isThere ? null : record.process;
  await writeRun(layout, record, { durable: true });
  if (!isThere) await noteEnd(repo, record);
  return {
    run: id,
    model: record.model,
    branch: record.branch,
    made: versionsOf(record.checkpoints).flatMap(({ version }) =>
      version === null || before.has(version) ? [] : [version],
    ),
    left: record.checkpoints.flatMap(({ place, state, problem }) => {
      return state === 'incomplete' || state === 'failed'
        ? [{ place, problem: problem ?? state }]
        : [];
    }),
  };
}

/** A program says itself what is complete. */
function allOf({ checkpoints }: RunRecord): number[] {
  return checkpoints.map(({ n }) => n);
}

/** Numbers of checkpoints that another one of their series followed. */
function followed({ checkpoints }: RunRecord): number[] {
  return checkpoints.flatMap(({ n, series }) => {
    return checkpoints.some((other) => other.series === series && other.n > n) ? [n] : [];
  });
}

/** Looks at the disk as at the end of a command that failed. */
async function lookAgain(layout: Layout, record: RunRecord, context: OpContext): Promise<void> {
  const scanner = new Scanner({
    cwd: placeOf(layout, record.cwd),
    patterns: record.checkpointPattern === null ? [] : record.checkpointPattern.split('\n'),
    logs: [],
  });
  scanner.begin(record.checkpoints);
  const scan = await scanner.scan(true);
  let places = readFreshPlaces(layout, record, scan.places).filter((one) =>
    isOfRun(layout, record, one),
  );
  const warn = (message: string): void => context.warn(message);
  const keeper = new CheckpointKeeper(layout, record, warn, scanner.numbering);
  for (const entry of record.checkpoints.filter(({ state }) => state === 'writing')) {
    const held = await heldFiles(layout.heldCheckpoint(record.id, entry.n), entry.isFolder);
    if (await isAmong(held, places)) {
      // What was being written when dlv died is there, with what came since: it is seen anew.
      await letGo(layout, record.id, entry.n);
      record.checkpoints = record.checkpoints.filter((other) => other !== entry);
      continue;
    }
    if (entry.written > 0) {
      // It was complete, and what numbers it was not known yet.
      entry.state = 'held';
      places = places.filter((one) => {
        const times = one.files.map(({ stat }) => millisecondsOf(stat.mtimeNs));
        return recordPlace(layout, one.place) !== entry.place || maxOf(times) > entry.written;
      });
      continue;
    }
    const names = held.map(({ inside }) => inside);
    const isCut = names.includes('training_args.bin') && !names.includes('trainer_state.json');
    entry.state = isCut ? 'incomplete' : 'held';
    if (isCut) entry.problem = 'its last files were written and removed while dlv was gone';
    entry.written = Number.MAX_SAFE_INTEGER;
  }
  keeper.failed();
  const moment = { now: performance.now(), writers: new Set<string>(), hasEnded: true };
  await keeper.see({ places, logs: [] }, moment);
}

/** Of a run that was seen to its end, all was seen: what came since is none of its checkpoints. */
function isOfRun(
  layout: Layout,
  { ended, checkpoints }: RunRecord,
  { place, files }: SeenPlace,
): boolean {
  if (ended === null) return true;
  const name = recordPlace(layout, place);
  return (
    checkpoints.some((one) => one.state === 'writing' && one.place === name) &&
    files.every(({ stat }) => millisecondsOf(stat.mtimeNs) <= ended)
  );
}

/** True if all files that are held are files of one of the places. */
async function isAmong(held: readonly HeldFile[], places: readonly SeenPlace[]): Promise<boolean> {
  const inodes = new Set<string>();
  for (const { file } of held) {
    const found = await statOrNull(file);
    if (found !== null) inodes.add(found.stat.inode);
  }
  return places.some(({ files }) => {
    const own = new Set(files.map(({ stat }) => stat.inode));
    return [...inodes].every((inode) => own.has(inode));
  });
}
