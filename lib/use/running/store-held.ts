/** The version of a held checkpoint: its files, the newest of each other series, and what the run began from. */

import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { isMissing, readSmallFile } from '../../base/files/files.js';
import { LOG_BYTES_MAX } from '../../base/limits.js';
import { comparePaths, pathProblem } from '../../pure/paths/version-path.js';
import { fileOf, ingestBatch, ingestSettings } from '../../storage/ingest/batch.js';
import { withSession } from '../../storage/objects/access.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import { readRunMetrics } from '../../storage/repo/runs/run-metrics.js';
import type { RunCheckpoint, RunRecord } from '../../storage/repo/runs/run-record.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { entriesBeside } from '../history/commit/entries-beside.js';
import { makeVersion, type NewFile, versionFiles } from '../history/commit/make-version.js';
import { nameVersion } from '../history/commit/name-version.js';
import type { GivenText } from '../history/commit/tell.js';
import { baseCandidates } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import type { HeldFile } from './checkpoints/held-files.js';
import { besideCopies } from './equal-checkpoint.js';
import { type RunFacts, runExtension, versionsOfRun } from './run-facts.js';
import { carriedFiles, newestOfSeries, pathsOfSeries } from './series-files.js';

/** Logs of a run that each of its versions has, as far as they are there. */
const TEXTS = ['output.log', 'changes.diff', 'packages.txt'] as const;

/** Where the line of a run is: its branch, or what it made last if somebody deleted that. */
export async function tipOf(repo: StoreAccess, record: RunRecord): Promise<Id | null> {
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

/** Stores the files of a checkpoint and makes a version of them. @throws {ConflictError} if somebody moved the branch. */
export async function storeHeld(
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
  const newest = newestOfSeries(made.values());
  const pathOf = await pathsOfSeries(repo, record, newest, { checkpoint, files });
  const placed = placeFiles(files, checkpoint, pathOf, context);
  newest.delete(checkpoint.series);
  for (const one of record.checkpoints) {
    const before = newest.get(one.series);
    if (one.copies === undefined || before === undefined) continue;
    const later = one.n > before.facts.checkpoint ? besideCopies(made.values(), one) : null;
    if (later !== null) newest.set(one.series, later);
  }
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
    const carried = await carriedFiles(repo, newest.values(), pathOf);
    pushAll(entries, [...carried.values()].flat());
    pushAll(entries, await entriesBeside(repo, await baseOf(repo, record), entries, []));
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
      others: Object.fromEntries(
        [...carried].map(([series, own]) => [series, own.map((entry) => entry.path)]),
      ),
      started: record.started,
      seconds: record.seconds,
      cpuSeconds: record.cpuSeconds,
      peakBytes: record.peakBytes,
    };
    const state = files.find(({ inside }) => path.posix.basename(inside) === 'trainer_state.json');
    const { series } = await readRunMetrics(repo.layout, record.id, checkpoint);
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

/** Where the files of a checkpoint are in its version. */
function placeFiles(
  files: readonly HeldFile[],
  { place, series }: RunCheckpoint,
  pathOf: (series: string, inside: string) => string,
  context: OpContext,
): { path: string; file: string; inside: string }[] {
  const placed: { path: string; file: string; inside: string }[] = [];
  for (const { inside, file } of files) {
    const name = pathOf(series, inside);
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
