/** `dlv keep --versions --remote`: gives up files of versions at a remote, and takes that back. */
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, UsageError } from '../../base/errors.js';
import { type OpenSurvey, openSurvey } from '../../storage/exchange/collect/open-survey.js';
import type { RemoteSurvey } from '../../storage/exchange/collect/survey-remote.js';
import { openWritable, shownUrl } from '../../storage/exchange/open-remote.js';
import { pushVersions } from '../../storage/exchange/push-objects.js';
import type { PushEnds } from '../../storage/exchange/pushing/push-ends.js';
import { RemoteCache } from '../../storage/exchange/remote/remote-cache.js';
import type { RemoteState } from '../../storage/exchange/remote/remote-file.js';
import { withSession } from '../../storage/objects/access.js';
import { blobWriter } from '../../storage/objects/stored-bytes.js';
import { notesOf, readTier } from '../../storage/objects/tiers.js';
import { requireWriteFlag, TOMBSTONES_FLAG } from '../../storage/repo/format.js';
import { formatKeepRules } from '../../storage/repo/settings/keep-rules.js';
import { encodeNote } from '../../storage/repo/version/note.js';
import { TOMBSTONE_NOTE } from '../../storage/repo/version/tombstone.js';
import { type BlobEntry, type SegmentEntry, storedBytes } from '../../storage/store/types.js';
import type { OpContext } from '../context.js';
import { askedRules } from '../history/keep/asked-rules.js';
import { placeRemote } from '../history/keep/place-remote.js';
import { type KeptVersion, planKeep, rulesByModel } from '../history/keep/plan-keep.js';
import { publishNotes, storeRecalls, storeTombstones } from '../history/keep/write-tombstones.js';
import { resolveId } from '../history/lines/resolve.js';
import { readLines } from '../history/lines/together.js';
import { Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import { findRemote } from '../tracking/remotes.js';

export interface KeepRemoteOptions extends LineSettings {
  /** Name of a remote, or an address. */
  remote: string;
  /** Rules for one model, as text; default: those of the setting `keep.versions`. */
  rules?: string;
  model?: string;
  /** Only says what would go. */
  dryRun?: boolean;
}

/** A version of the remote and what becomes of it there. */
export type KeptThere = KeptVersion;

export interface KeepRemoteResult {
  remote: string | null;
  url: string;
  rules: { model: string; rules: string }[];
  /** Every version of these models that the remote has, the newest first. */
  versions: KeptThere[];
  /** Bytes of records that nothing at the remote needs then: `gc --remote` takes them out. */
  freedBytes: number;
  /** Bytes that stay, since versions that are kept are stored as differences from them. */
  baseBytes: number;
  dryRun: boolean;
}

/** @throws {RemoteError} {NotFoundError} {UsageError}; {ConflictError} if it has versions that are not here. */
export async function keepRemote(
  repo: Repository,
  options: KeepRemoteOptions,
  context: OpContext,
): Promise<KeepRemoteResult> {
  const { dryRun = false } = options;
  return withRemote(repo, options, context, async ({ ends, name, url }) => {
    const { remote } = ends;
    const survey = await openSurvey(ends, remote.state, context);
    try {
      const where = { refs: remote.state.refs, shown: remote.shown };
      const place = await placeRemote(repo, where, survey.notes, context.signal);
      const rules = rulesByModel(place, await askedRules(repo, options));
      const planned = await planKeep(place, rules, Date.now(), context.signal);
      const giving = planned.filter(({ recipes }) => recipes.size > 0);
      const givenUp = new Map(giving.map(({ id, recipes }) => [id, recipes]));
      const then = await survey.without(givenUp);
      const { freedBytes, freedOf, baseBytes } = difference(survey, then);
      if (!dryRun && givenUp.size > 0) {
        const ids = await withSession(repo, async (session) => {
          const writer = blobWriter(session);
          const notes = new Map<Id, Id[]>();
          for (const [model, own] of rules) {
            const ofModel = giving.filter((one) => one.model === model);
            const files = new Map(ofModel.map(({ id, recipes }) => [id, recipes]));
            const why = `keep: ${formatKeepRules(own)}`;
            const made = await storeTombstones(repo, { files, why }, writer, survey.notes);
            for (const [id, note] of made) notes.set(id, [note]);
          }
          await session.flush();
          return notes;
        });
        await repo.locked((lock) => requireWriteFlag(lock, TOMBSTONES_FLAG));
        const before = [...remote.state.refs];
        const move = async ({ refs, head }: RemoteState) => {
          checkSame(before, refs, remote.shown);
          return { refs, head };
        };
        await pushVersions(ends, { ...UNMOVED, move }, { ...signalOf(context), notes: ids });
      }
      return {
        remote: name,
        url: shownUrl(url),
        rules: [...rules].map(([model, own]) => ({ model, rules: formatKeepRules(own) })),
        versions: planned.map(({ id, recipes: _, ...row }) => {
          return { version: id, ...row, freedBytes: freedOf.get(id) ?? 0 };
        }),
        freedBytes,
        baseBytes,
        dryRun,
      };
    } finally {
      await survey.close();
    }
  });
}

export interface RecallRemoteResult {
  remote: string | null;
  url: string;
  versions: { version: Id; model: string; number: number; files: number }[];
  /** Bytes that were sent, since the remote had collected them. */
  bytes: number;
}

/**
 * Takes back that files of versions were given up at a remote. Files that it lacks already are sent from here.
 * @throws {ConflictError} if nothing of a version was given up there; {GivenUpError} {NotFoundError} if the files are
 *   not here.
 */
export async function recallRemote(
  repo: Repository,
  options: Pick<KeepRemoteOptions, 'remote' | 'limitRate' | 'jobs'>,
  revisions: readonly string[],
  context: OpContext,
): Promise<RecallRemoteResult> {
  if (revisions.length === 0) {
    throw new UsageError('no version is named', { hint: "'dlv keep --recall bert@3'" });
  }
  return withRemote(repo, options, context, async ({ ends, name, url }) => {
    const { remote } = ends;
    const survey = await openSurvey(ends, remote.state, context);
    try {
      const lines = await readLines(repo);
      const describer = new Describer(repo);
      const rows: RecallRemoteResult['versions'] = [];
      await withSession(repo, async (session) => {
        const writer = blobWriter(session);
        const tombstones = new Map<Id, Id[]>();
        for (const revision of revisions) {
          const version = await resolveId(repo, revision);
          const there = (await readTier(survey.notes, version))?.tombstones ?? null;
          if (there === null || there.notes.length === 0) {
            throw new ConflictError(`no file of '${revision}' was given up at '${remote.shown}'`, {
              version,
            });
          }
          // Both sides of what counts no more have to be known here to be sent as one.
          for (const { file: _, id: __, ...note } of await notesOf(survey.notes, version)) {
            if (note.kind === TOMBSTONE_NOTE) await writer.writeBlob('note', encodeNote(note));
          }
          const { files } = await repo.tree(version);
          const count = files.filter(({ recipe }) => there.of(recipe.id) !== null).length;
          const { model } = await repo.version(version);
          rows.push({ version, model, number: await describer.number(version), files: count });
          tombstones.set(
            version,
            there.notes.map(({ id }) => id),
          );
        }
        const recalls = await storeRecalls(repo, tombstones, writer);
        const ids = new Map(
          [...recalls].map(([id, note]) => [id, [...(tombstones.get(id) ?? []), note]]),
        );
        await publishNotes(repo, session, { lines, ids, reason: 'keep: recalled at a remote' });
      });
      const pushed = await pushVersions(
        ends,
        { ...UNMOVED, tips: rows.map(({ version }) => version) },
        { ...signalOf(context), tombstones: 'recalls' },
      );
      return { remote: name, url: shownUrl(url), versions: rows, bytes: pushed.bytes };
    } finally {
      await survey.close();
    }
  });
}

const UNMOVED = {
  tips: [],
  move: async ({ refs, head }: RemoteState) => ({ refs, head }),
  numbers: new Map(),
  isNothing: () => true,
};

function signalOf({ signal }: OpContext): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

interface OpenedRemote {
  ends: PushEnds & { cache: RemoteCache };
  name: string | null;
  url: string;
}

async function withRemote<T>(
  repo: Repository,
  options: Pick<KeepRemoteOptions, 'remote' | 'limitRate' | 'jobs'>,
  context: OpContext,
  action: (opened: OpenedRemote) => Promise<T>,
): Promise<T> {
  const { name, url } = await findRemote(repo, options.remote, null);
  const cache = new RemoteCache(repo.layout);
  const remote = await openWritable(url, { ...lineOf(repo, options, context), cache });
  try {
    remote.checkThere();
    return await action({ ends: { repo, remote, cache }, name, url });
  } finally {
    await remote.close();
  }
}

/** Somebody may have tagged what is given up. @throws {ConflictError} */
function checkSame(
  before: readonly [string, Id][],
  now: ReadonlyMap<string, Id>,
  shown: string,
): void {
  if (JSON.stringify(before) === JSON.stringify([...now])) return;
  throw new ConflictError(`branches or tags of '${shown}' moved meanwhile`, {
    url: shown,
    hint: 'run the command again',
  });
}

/** What is needed now and not then. */
function difference(now: OpenSurvey, then: RemoteSurvey) {
  const keyOf = (entry: BlobEntry | SegmentEntry): string =>
    `${entry.set} ${entry.id} ${'segment' in entry ? entry.segment : ''}`;
  const kept = new Set(then.sets.flatMap(({ live }) => live.map(keyOf)));
  const freedOf = new Map<Id, number>();
  let [freedBytes, baseBytes] = [0, 0];
  for (const { live } of now.sets) {
    for (const entry of live) {
      const version = now.users.get(entry.id)?.version ?? null;
      if (kept.has(keyOf(entry))) {
        // Something needed it by itself, and only as a base then.
        if (version !== null && !then.users.has(entry.id)) baseBytes += storedBytes(entry);
        continue;
      }
      freedBytes += storedBytes(entry);
      if (version !== null) freedOf.set(version, (freedOf.get(version) ?? 0) + storedBytes(entry));
    }
  }
  return { freedBytes, freedOf, baseBytes };
}
