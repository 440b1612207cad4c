/**
 * Makes versions of the checkpoints of a run that are held: one after another, on the line of the run, wherever HEAD
 * is. A checkpoint that is a version already, because whoever made it was killed before it could say so, is found.
 *
 * Run by a process of low priority while the command goes on, and by whoever recovers a run. Start at
 * `commitHeld`.
 */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { ChangedError, ConflictError } from '../../base/errors.js';
import { isMissing, listEntries, readSmallFile, statOrNull } from '../../base/files/files.js';
import { LOG_BYTES_MAX } from '../../base/limits.js';
import { commonName } from '../../pure/paths/checkpoint-names.js';
import { comparePaths, pathProblem } from '../../pure/paths/version-path.js';
import { fileOf, ingestBatch, ingestSettings } from '../../storage/ingest/batch.js';
import { withSession } from '../../storage/objects/access.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import { readRunMetrics } from '../../storage/repo/runs/run-metrics.js';
import {
  millisecondsOf,
  type RunCheckpoint,
  type RunRecord,
} from '../../storage/repo/runs/run-record.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { entriesBeside } from '../history/commit/entries-beside.js';
import { makeVersion, type NewFile, versionFiles } from '../history/commit/make-version.js';
import { nameVersion } from '../history/commit/name-version.js';
import type { GivenText } from '../history/commit/tell.js';
import { baseCandidates } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import { type HeldFile, wholenessProblem } from './checkpoints/whole.js';
import { type RunFacts, runExtension, versionsOfRun } from './run-facts.js';

/** What became of a checkpoint. */
export type HeldOutcome = Pick<RunCheckpoint, 'n' | 'version' | 'number' | 'problem'> & {
  /** 'unparsed': its files do not read to their end, so that it is no version yet. */
  state: 'committed' | 'unparsed' | 'failed';
};

export interface HeldOptions {
  /** Numbers of checkpoints that become versions even if a file of them cannot be read to its end. */
  asIs: ReadonlySet<number>;
  onOutcome(outcome: HeldOutcome): void;
}

/** How often another process may move the branch first. */
const ATTEMPTS = 8;
/** Logs of a run that each of its versions has, as far as they are there. */
const TEXTS = ['output.log', 'changes.diff', 'packages.txt'] as const;

/** Makes versions of what is held. An error of one checkpoint is its outcome. @throws {AbortedError} */
export async function commitHeld(
  repo: StoreAccess,
  record: RunRecord,
  options: HeldOptions,
  context: OpContext,
): Promise<void> {
  for (const checkpoint of record.checkpoints) {
    if (checkpoint.state !== 'held' && checkpoint.state !== 'failed') continue;
    context.signal?.throwIfAborted();
    const { n } = checkpoint;
    try {
      options.onOutcome(await commitOne(repo, { record, checkpoint, asIs: options.asIs }, context));
    } catch (error) {
      context.signal?.throwIfAborted();
      const problem = error instanceof Error ? error.message : String(error);
      const none = { version: null, number: null };
      const isLost = error instanceof ChangedError || isMissing(error);
      options.onOutcome({ n, state: isLost ? 'unparsed' : 'failed', ...none, problem });
    }
  }
}

async function commitOne(
  repo: StoreAccess,
  {
    record,
    checkpoint,
    asIs,
  }: { record: RunRecord; checkpoint: RunCheckpoint } & Pick<HeldOptions, 'asIs'>,
  context: OpContext,
): Promise<HeldOutcome> {
  const { n } = checkpoint;
  const before = await madeBefore(repo, record, n);
  if (before !== null) return before;
  const files = await heldFiles(repo.layout.heldCheckpoint(record.id, n), checkpoint.isFolder);
  if (files.length === 0) {
    return {
      n,
      state: 'unparsed',
      version: null,
      number: null,
      problem: 'none of its files is held',
    };
  }
  const problem =
    (await rewritten(files, checkpoint)) ?? (await wholenessProblem(files, context.signal));
  if (problem !== null && !asIs.has(n)) {
    return { n, state: 'unparsed', version: null, number: null, problem };
  }
  for (let attempt = 1; ; attempt++) {
    const made = await madeBefore(repo, record, n);
    if (made !== null) return made;
    try {
      const { id, number } = await store(repo, record, { checkpoint, files }, context);
      return { n, state: 'committed', version: id, number, problem };
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The version that whoever was killed had made of a checkpoint, or another process meanwhile; null for none. */
async function madeBefore(
  repo: StoreAccess,
  record: RunRecord,
  n: number,
): Promise<HeldOutcome | null> {
  const known = (await versionsOfRun(repo, await tipOf(repo, record), record)).get(n);
  if (known === undefined) return null;
  const { id, version } = known;
  return { n, state: 'committed', version: id, number: version.number, problem: null };
}

/** A link shares its bytes with whoever writes in place: then it is not any more what was complete. */
async function rewritten(
  files: readonly HeldFile[],
  { written }: RunCheckpoint,
): Promise<string | null> {
  for (const { file, inside } of files) {
    const found = await statOrNull(file);
    if (found !== null && millisecondsOf(found.stat.mtimeNs) > written) {
      return `'${inside === '' ? path.basename(file) : inside}' was written to again after it was complete`;
    }
  }
  return null;
}

/** Where the line of a run is: its branch, or what it made last if somebody deleted that. */
async function tipOf(repo: StoreAccess, record: RunRecord): Promise<Id | null> {
  const tip = await readRef(repo.layout, branchRefName(record.model, record.branch));
  if (tip !== null) return tip;
  for (const { version } of [...record.checkpoints].reverse()) {
    if (version !== null && (await repo.store.findBlob(version)) !== null) return version;
  }
  return baseOf(repo, record);
}

async function baseOf(repo: StoreAccess, { base }: RunRecord): Promise<Id | null> {
  return base !== null && (await repo.store.findBlob(base)) !== null ? base : null;
}

/** Files of a checkpoint as they are held. */
export async function heldFiles(folder: string, isFolder: boolean): Promise<HeldFile[]> {
  const found: HeldFile[] = [];
  const visit = async (inside: string): Promise<void> => {
    for (const entry of await listEntries(path.join(folder, inside))) {
      const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
      const file = path.join(folder, ...name.split('/'));
      if (entry.isDirectory()) await visit(name);
      else found.push({ inside: isFolder ? name : '', file });
    }
  };
  try {
    await visit('');
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return found;
}

async function store(
  repo: StoreAccess,
  record: RunRecord,
  { checkpoint, files }: { checkpoint: RunCheckpoint; files: readonly HeldFile[] },
  context: OpContext,
): Promise<{ id: Id; number: number | null }> {
  const { model, branch } = record;
  const { signal } = context;
  const name = branchRefName(model, branch);
  const ref = await readRef(repo.layout, name);
  const tip = await tipOf(repo, record);
  const line = { model, branch, tip };
  const made = await versionsOfRun(repo, tip, record);
  const last = [...made.values()].sort((a, b) => b.facts.checkpoint - a.facts.checkpoint)[0];
  const others = othersOf(last?.facts, checkpoint.series);
  const placed = placeFiles(files, checkpoint, new Set(Object.values(others).flat()), context);
  const why = await moveReason(repo, `run: ${record.id}, checkpoint ${checkpoint.n}`);
  return withSession(repo, async (session) => {
    const entries: NewFile[] = [];
    for await (const result of ingestBatch(session, placed, {
      parentFiles: await baseCandidates(repo, line),
      ...ingestSettings(repo.config),
      follow: true,
      ...(signal ? { signal } : {}),
    })) {
      const file = fileOf(result, 0o644);
      entries.push({ ...file, step: file.step ?? checkpoint.step });
    }
    const source = last?.id ?? (await baseOf(repo, record));
    const replaced = pathsBySeries(last?.facts)[checkpoint.series] ?? [];
    entries.push(...(await entriesBeside(repo, source, entries, replaced)));
    entries.sort((a, b) => comparePaths(a.path, b.path));
    const facts: RunFacts = {
      run: record.id,
      name: record.name,
      kind: record.kind,
      command: record.command,
      checkpoint: checkpoint.n,
      place: checkpoint.place,
      series: checkpoint.series,
      files: placed.map(({ path: own, inside }): [string, string] => [own, inside]),
      others,
      started: record.started,
      seconds: record.seconds,
      cpuSeconds: record.cpuSeconds,
      peakBytes: record.peakBytes,
    };
    const state = files.find(({ inside }) => path.posix.basename(inside) === 'trainer_state.json');
    const { series } = await readRunMetrics(repo.layout, record.id, checkpoint.time);
    const wanted = {
      ...versionFiles(entries),
      model,
      message: messageOf(record, checkpoint),
      parents: tip === null ? [] : [tip],
      near: tip,
      params: Object.entries(record.params).map(([param, text]) => ({ name: param, text })),
      series,
      texts: await textsOf(repo, record),
      logs: state === undefined ? [] : [state.file],
      knowledge: {
        operation: { kind: 'train', detail: `run ${record.id}` },
        environment: Object.entries(record.environment).map(([key, text]) => ({ name: key, text })),
      },
      extensions: [runExtension(facts)],
      git: record.git,
    };
    const { id, version } = await makeVersion(repo, session, wanted, {
      name: (lock, { id: made }) =>
        nameVersion(repo, lock, { model, branch, before: ref, id: made, entries, why }),
      signal,
    });
    return { id, number: version.number };
  });
}

/** Paths that other series of the run have in its last version. */
function othersOf(last: RunFacts | undefined, series: string): Record<string, string[]> {
  const { [series]: _, ...others } = pathsBySeries(last);
  return others;
}

function pathsBySeries(last: RunFacts | undefined): Record<string, string[]> {
  if (last === undefined) return {};
  return { ...last.others, [last.series]: last.files.map(([own]) => own) };
}

/** Where the files of a checkpoint are in its version. */
function placeFiles(
  files: readonly HeldFile[],
  { place, series, isFolder }: RunCheckpoint,
  taken: ReadonlySet<string>,
  context: OpContext,
): { path: string; file: string; inside: string }[] {
  const placed: { path: string; file: string; inside: string }[] = [];
  for (const { inside, file } of files) {
    const common = series.includes('*') ? commonName(series) : path.posix.basename(place);
    const plain = isFolder ? inside : common;
    // Two series that come down to one name keep theirs.
    const name =
      taken.has(plain) && !isFolder ? path.posix.basename(series).replaceAll('*', '') : plain;
    const problem = pathProblem(name);
    if (problem === null) placed.push({ path: name, file, inside });
    else context.warn(`'${name}' of '${place}' is left out: ${problem}`);
  }
  return placed;
}

function messageOf({ id, name, command }: RunRecord, { place }: RunCheckpoint): string {
  const last = place.split('/').at(-1) as string;
  const words = command.map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word),
  );
  const line = words.join(' ').replace(/[\p{Cc}]/gu, ' ');
  return `${last === '.' ? 'checkpoint' : last} of run ${name ?? id}\n\n${line.slice(0, 4000)}`;
}

async function textsOf(repo: StoreAccess, { id }: RunRecord): Promise<GivenText[]> {
  const texts: GivenText[] = [];
  for (const name of TEXTS) {
    try {
      const bytes = await readSmallFile(repo.layout.runFile(id, name), LOG_BYTES_MAX);
      if (bytes.length > 0) texts.push({ name: `run/${name}`, bytes });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return texts;
}
