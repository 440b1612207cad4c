/** Opens a remote's pack sets for a survey: what is read of them arrives in incoming/ here. */
import type { NoteReader } from '../../objects/tiers.js';
import { ObjectStore } from '../../store/object-store.js';
import { layeredBlobs } from '../fetching/remote-blobs.js';
import { Incoming } from '../incoming.js';
import type { PushEnds } from '../pushing/push-ends.js';
import type { RemoteState } from '../remote/remote-file.js';
import { RemoteBackend } from '../remote/remote-store.js';
import type { TransferOptions } from '../transports/transport.js';
import { type RemoteSurvey, type SurveyOptions, surveyRemote } from './survey-remote.js';

/** A survey whose remote can still be read. */
export interface OpenSurvey extends RemoteSurvey {
  readonly remote: ObjectStore;
  readonly incoming: Incoming;
  /** What would be needed if files were given up. */
  without(givenUp: NonNullable<SurveyOptions['givenUp']>): Promise<RemoteSurvey>;
  /** Reads the notes of the remote. */
  readonly notes: NoteReader;
  close(): Promise<void>;
}

/** @throws {CorruptError} if the remote lacks something that a ref needs. */
export async function openSurvey(
  { repo, remote, cache }: PushEnds,
  { refs }: RemoteState,
  { signal }: TransferOptions,
): Promise<OpenSurvey> {
  const how = signal ? { signal } : {};
  const incoming = await Incoming.open(repo.layout, remote, how);
  try {
    const holdings = await remote.holdings(how);
    const { store: local } = repo;
    const places = { local: local.backend, listed: local.sets(), cache, incoming };
    const store = await ObjectStore.open(new RemoteBackend(holdings.sets, places));
    const parts = { repo, remote: store, holdings, shown: remote.shown };
    const tips = [...new Set(refs.values())];
    const survey = await surveyRemote(parts, tips, how);
    const blobs = layeredBlobs(parts);
    const notes: NoteReader = {
      layout: repo.layout,
      readBlob: (id, kind) => blobs.readBlob(id, kind),
      noteIds: async (version) => [...(holdings.notes.get(version) ?? [])].sort(),
    };
    return {
      ...survey,
      remote: store,
      incoming,
      without: (givenUp) => surveyRemote(parts, tips, { ...how, givenUp }),
      notes,
      close: () => incoming.remove(),
    };
  } catch (error) {
    await incoming.close();
    throw error;
  }
}
