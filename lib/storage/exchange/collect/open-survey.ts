/** Opens a remote's pack sets for a survey: what is read of them arrives in incoming/ here. */
import { ObjectStore } from '../../store/object-store.js';
import { Incoming } from '../incoming.js';
import type { PushEnds } from '../push-plan.js';
import type { RemoteState } from '../remote-file.js';
import { RemoteBackend } from '../remote-store.js';
import type { TransferOptions } from '../transports/transport.js';
import { type RemoteSurvey, surveyRemote } from './survey-remote.js';

/** A survey whose remote can still be read. */
export interface OpenSurvey extends RemoteSurvey {
  readonly remote: ObjectStore;
  readonly incoming: Incoming;
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
    const survey = await surveyRemote(parts, [...new Set(refs.values())], how);
    return { ...survey, remote: store, incoming, close: () => incoming.remove() };
  } catch (error) {
    await incoming.close();
    throw error;
  }
}
