/** A trial as a version: its network with the weights that it came to, its settings, its curve, its lineage. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { makeDirectory, writeFileAtomic } from '../../base/files/files.js';
import { removeFolder } from '../../base/files/temporary.js';
import { BLOB_BYTES_MAX } from '../../base/limits.js';
import { OPTIMIZER_PREFIX, readCheckpoint } from '../../knowledge/training/checkpoint-file.js';
import { openModelFile, writeWeights } from '../../knowledge/training/model-file.js';
import { parseLevel } from '../../pure/codec/segment.js';
import type { Assignment } from '../../pure/search/space.js';
import { ingestBatch } from '../../storage/ingest/batch.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import { blobWriter } from '../../storage/objects/stored-bytes.js';
import { currentAuthor, currentMoment } from '../../storage/repo/settings/author.js';
import { readGitState } from '../../storage/repo/settings/gitinfo.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { buildTree } from '../../storage/repo/version/file-tree.js';
import type { NamedText } from '../../storage/repo/version/knowledge.js';
import { type HintedFile, makeSnapshots } from '../../storage/repo/version/snapshots.js';
import { type Version, writeVersion } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { giveNumber } from '../history/commit/give-number.js';
import { tellOf } from '../history/commit/tell.js';
import { type BranchName, makeBranch, readBranch } from '../history/lines/branches.js';
import { filesWithSteps } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import { findNetworks, packNetworks } from '../history/networks/networks.js';
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
      const entries: (FileEntry & HintedFile)[] = [];
      const { signal } = context;
      const options = {
        parentFiles: await filesWithSteps(repo, ended.source),
        chainDepth: repo.config.get('chain.depth'),
        chainCost: repo.config.get('chain.cost'),
        level: parseLevel(repo.config.get('codec.level')),
        ...(signal === undefined ? {} : { signal }),
      };
      for await (const result of ingestBatch(session, files, options)) {
        const { path: name, size, sha256, gitSha1, recipe, format, references, roles } = result;
        entries.push({
          ...{ path: name, mode: 0o644, size, sha256, gitSha1, recipe, format },
          ...{ step: ended.facts.iterations, hint: { references, roles } },
        });
      }
      const number = await giveNumber(repo, ended.line.model, []);
      const logs = ended.record.points.length > 0 ? [log] : [];
      const id = await writeTrial(repo, session, { ...ended, number, entries, logs }, signal);
      await session.flush();
      const why = await moveReason(repo, `evaluate: trial ${ended.facts.number}`);
      await repo.locked((lock) => makeBranch(lock, ended.line, id, why));
      return { version: id, number };
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

async function writeTrial(
  repo: StoreAccess,
  session: PackSession,
  trial: EndedTrial & { number: number; entries: (FileEntry & HintedFile)[]; logs: string[] },
  signal?: AbortSignal,
): Promise<Id> {
  const { facts, line, source, params, data, statement, number, entries, logs } = trial;
  const before = await repo.version(source);
  const packed = packNetworks(
    await findNetworks(session, entries, signal === undefined ? {} : { signal }),
  );
  const network =
    packed === null || packed.length > BLOB_BYTES_MAX
      ? null
      : await session.putBlob('blob', packed, 1, before.network);
  const knowledge = {
    operation: { kind: 'train', detail: `study ${facts.study.slice(0, 10)}` },
    data,
  };
  const told = await tellOf(
    repo,
    session,
    { content: { params, logs, knowledge }, amended: null },
    signal,
  );
  const version: Version = {
    model: line.model,
    number,
    parents: [source],
    author: await currentAuthor(repo.config, repo.layout.workTree),
    ...currentMoment(),
    message: `trial ${facts.number}, ${facts.state} after ${facts.iterations} iterations\n\n${statement}`,
    tree: await buildTree(entries, makeSnapshots(entries), blobWriter(session), before.tree),
    params: told.params,
    metrics: told.metrics,
    logs: told.logs,
    network,
    git: await readGitState(repo.layout.workTree, signal),
    extensions: [...told.extensions, { tag: TAG, value: Buffer.from(JSON.stringify(facts)) }],
  };
  return writeVersion(version, blobWriter(session));
}
