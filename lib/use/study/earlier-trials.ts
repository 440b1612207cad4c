/** Trials of earlier runs of a study: versions, and folders of those that had not ended. */
import path from 'node:path';
import { listDirectory } from '../../base/files/files.js';
import type { Assignment } from '../../pure/search/space.js';
import type { StoreAccess } from '../history/access.js';
import { listBranchTips } from '../history/lines/branches.js';
import { readRecord } from './trial-record.js';
import { trialFacts } from './trial-version.js';

/** What a trial was assigned. */
export interface EarlierTrial {
  trial: string;
  number: number;
  assignment: Assignment;
}

/** All that are known, so that no search finds others in their place. @param folder  of the study. */
export async function earlierTrials(
  repo: StoreAccess,
  { model, study, folder }: { model: string; study: string; folder: string },
): Promise<EarlierTrial[]> {
  const found: EarlierTrial[] = [];
  for (const tip of await listBranchTips(repo, model)) {
    const facts = trialFacts(await repo.version(tip.version));
    if (facts?.study === study) found.push(facts);
  }
  for (const name of await listDirectory(folder)) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    const { number, assignment } = await readRecord(path.join(folder, name));
    if (number > 0) found.push({ trial: name, number, assignment });
  }
  return found;
}
