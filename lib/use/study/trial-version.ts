/** A trial as a version: its network with the weights that it came to, its settings, its curve, its lineage. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { makeDirectory, writeFileAtomic } from '../../base/files/files.js';
import { removeFolder } from '../../base/files/temporary.js';
import { OPTIMIZER_PREFIX, readCheckpoint } from '../../knowledge/training/checkpoint-file.js';
import { openModelFile, writeWeights } from '../../knowledge/training/model-file.js';
import type { Assignment } from '../../pure/search/space.js';
import { fileOf, ingestBatch, ingestSettings } from '../../storage/ingest/batch.js';
import { withSession } from '../../storage/objects/access.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import type { NamedText } from '../../storage/repo/version/knowledge.js';
import type { Version } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import {
  type MadeVersion,
  makeVersion,
  type NewFile,
  type NewVersion,
  type VersionFiles,
  versionFiles,
} from '../history/commit/make-version.js';
import { type BranchName, makeBranch, readBranch } from '../history/lines/branches.js';
import { filesWithSteps } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import type { RungScore, TrialRecord, TrialState } from './trial-record.js';

/** Tag of the extension of a version that is a trial. */
const TAG = 'trial';

/** What a version says of the trial that it is. */
export interface TrialFacts {
  study: string;
  trial: string;
  number: number;
  state: TrialState;
  assignment: Assignment;
  seed: number;
  iterations: number;
  rungs: RungScore[];
  seconds: number;
  message: string | null;
}

/** A trial that ended, to be stored. */
export interface EndedTrial {
  facts: TrialFacts;
  line: BranchName;
  source: Id;
  /** Folder of the trial, in which its files are made. */
  folder: string;
  /** Path of the network in the version; its file as it was placed; and of the last checkpoint, or null. */
  networkPath: string;
  networkFile: string;
  checkpoint: string | null;
  record: TrialRecord;
  params: { name: string; text: string }[];
  data: NamedText[];
  statement: string;
}

/** What a version says of the trial that it is; null if it is none. */
export function trialFacts({ extensions }: Pick<Version, 'extensions'>): TrialFacts | null {
  const found = extensions.find(({ tag }) => tag === TAG);
  if (found === undefined) return null;
  try {
    const facts = JSON.parse(Buffer.from(found.value).toString()) as TrialFacts;
    return typeof facts.trial === 'string' && Array.isArray(facts.rungs) ? facts : null;
  } catch {
    // Of a later dlv, or of somebody else: it is no trial that is known here.
    return null;
  }
}

/** The trial at a branch, if it is that one. */
export async function storedTrial(
  repo: StoreAccess,
  line: BranchName,
  trial: string,
): Promise<{ version: Id; number: number | null; facts: TrialFacts } | null> {
  const tip = await readBranch(repo, line);
  if (tip === null) return null;
  const version = await repo.version(tip);
  const facts = trialFacts(version);
  return facts?.trial === trial ? { version: tip, number: version.number, facts } : null;
}

/** Stores a trial and makes its branch. @throws {IoError} {ConflictError} */
export async function storeTrial(
  repo: StoreAccess,
  ended: EndedTrial,
  context: OpContext,
): Promise<{ version: Id; number: number }> {
  const folder = path.join(ended.folder, 'version');
  // A run that was killed here may have left some of it.
  await removeFolder(folder);
  await makeDirectory(folder);
  try {
    const network = path.join(folder, path.posix.basename(ended.networkPath));
    const log = path.join(folder, 'train.jsonl');
    const files = (await writeNetwork(ended, network))
      ? [{ path: ended.networkPath, file: network }]
      : [];
    await writeFileAtomic(log, Buffer.from(logOf(ended.record)));
    return await withSession(repo, async (session) => {
      const entries: NewFile[] = [];
      const { signal } = context;
      const options = {
        parentFiles: await filesWithSteps(repo, ended.source),
        ...ingestSettings(repo.config),
        ...(signal === undefined ? {} : { signal }),
      };
      for await (const result of ingestBatch(session, files, options)) {
        entries.push({ ...fileOf(result, 0o644), step: ended.facts.iterations });
      }
      const logs = ended.record.points.length > 0 ? [log] : [];
      const why = await moveReason(repo, `evaluate: trial ${ended.facts.number}`);
      const name = (lock: RepositoryLock, { id }: MadeVersion): Promise<void> =>
        makeBranch(lock, ended.line, id, why);
      const wanted = { ...newTrial(ended), ...versionFiles(entries), logs };
      const { id, version } = await makeVersion(repo, session, wanted, { name, signal });
      return { version: id, number: version.number as number };
    });
  } finally {
    await removeFolder(folder);
  }
}

/** Writes the network with the weights of its checkpoint. @returns false without one. */
async function writeNetwork(
  { networkFile, checkpoint }: EndedTrial,
  target: string,
): Promise<boolean> {
  if (checkpoint === null) return false;
  const model = await openModelFile(networkFile);
  const { numbers } = await readCheckpoint(checkpoint);
  const weights = new Map<string, Float32Array>();
  for (const [name, { values }] of numbers) {
    if (!name.startsWith(OPTIMIZER_PREFIX) && model.spans.has(name)) weights.set(name, values);
  }
  await writeWeights(model, target, weights);
  return true;
}

/** The curve as lines that `commit --log` reads as well. */
function logOf({ points }: TrialRecord): string {
  const lines = points.map(({ iteration, time, values }) =>
    JSON.stringify({ step: iteration, time, ...values }),
  );
  return `${lines.join('\n')}\n`;
}

/** The version of a trial, without its files and its curve. */
function newTrial(trial: EndedTrial): Omit<NewVersion, keyof VersionFiles> {
  const { facts, line, source, params, data, statement } = trial;
  const operation = { kind: 'train', detail: `study ${facts.study.slice(0, 10)}` };
  return {
    model: line.model,
    message: `trial ${facts.number}, ${facts.state} after ${facts.iterations} iterations\n\n${statement}`,
    parents: [source],
    near: source,
    params,
    knowledge: { operation, data },
    extensions: [{ tag: TAG, value: Buffer.from(JSON.stringify(facts)) }],
  };
}
