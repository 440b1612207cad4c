/** What `dlv bench` measures: snapshots of a repository, with the survey that they are numbered by. */
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import type { Role } from '../../pure/tensor/layout.js';
import { joinBySketch } from '../../storage/archive/join-by-sketch.js';
import { type Survey, surveyRepository } from '../../storage/archive/survey.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import { type CalledVersion, Describer } from '../history/versions.js';

/** A snapshot that is measured. */
export interface BenchSnapshot extends CalledVersion {
  /** The version's message: for given files their name. */
  message: string;
  key: string;
  role: Role;
  step: number | null;
  /** Extents: tensors of 4 KiB and more. */
  extents: number;
  /** Bytes of their elements. */
  tensorBytes: number;
  /** Bytes of their records. */
  storedBytes: number;
  /** Deltas under an extent on the way from its root: the mean, weighed by bytes, and the most. */
  meanDepth: number;
  maxDepth: number;
}

/** Snapshots with the survey that they are numbered by. */
export interface Subjects {
  survey: Survey;
  snapshots: BenchSnapshot[];
  /** Vertices of each snapshot. */
  vertices: (readonly number[])[];
}

/** Snapshots of a repository that are measured if nobody says which. */
export const LAST_SNAPSHOTS = 10;

/**
 * Chooses snapshots: those of the named revisions, or the last ones of HEAD's history.
 * @throws {NotFoundError} if there is none.
 */
export async function chooseSubjects(
  repo: ReadAccess,
  revisions: readonly string[],
  last: number,
  context: OpContext,
): Promise<Subjects> {
  const withSignal = context.signal ? { signal: context.signal } : {};
  const named: Id[] = [];
  for (const revision of revisions.length > 0 ? revisions : ['HEAD']) {
    named.push(await resolveId(repo, revision));
  }
  const survey = await surveyRepository(repo, { versions: named, ...withSignal });
  const all = [...survey.extents.keys()].map((index) => index + 1);
  await joinBySketch(repo, survey, all, context.signal);
  const chosen =
    revisions.length > 0
      ? survey.snapshots.filter(({ version }) => named.includes(version))
      : survey.snapshots.slice(-last);
  if (chosen.length === 0) {
    throw new NotFoundError('there is no tensor to measure', {
      kind: 'tensor',
      hint: `only versions with tensors of 4 KiB or more are measured`,
    });
  }
  const describer = new Describer(repo);
  const depth = depthsOf(survey);
  const snapshots = await Promise.all(
    chosen.map(async ({ version, key, role, step, extents }): Promise<BenchSnapshot> => {
      let tensorBytes = 0;
      let storedBytes = 0;
      let weighed = 0;
      for (const vertex of extents) {
        const { width, count, live } = survey.extents[vertex - 1] as Survey['extents'][0];
        tensorBytes += width * count;
        storedBytes += live.bytes;
        weighed += width * count * (depth[vertex] as number);
      }
      return {
        ...(await describer.called(version)),
        message: (await repo.version(version)).message.split('\n', 1)[0] as string,
        key,
        role,
        step,
        extents: extents.length,
        tensorBytes,
        storedBytes,
        meanDepth: tensorBytes > 0 ? weighed / tensorBytes : 0,
        maxDepth: extents.reduce((most, vertex) => Math.max(most, depth[vertex] as number), 0),
      };
    }),
  );
  return { survey, snapshots, vertices: chosen.map(({ extents }) => extents) };
}

/** Links of the present chain of every vertex. */
function depthsOf(survey: Survey): Int32Array {
  const depth = new Int32Array(survey.extents.length + 1).fill(-1);
  depth[0] = 0;
  for (let vertex = 1; vertex < depth.length; vertex++) {
    const path: number[] = [];
    let at = vertex;
    while (depth[at] === -1) {
      path.push(at);
      at = survey.extents[at - 1]?.live.base ?? 0;
    }
    for (const link of path.reverse()) {
      const base = survey.extents[link - 1]?.live.base ?? 0;
      depth[link] = base === 0 ? 0 : (depth[base] as number) + 1;
    }
  }
  return depth;
}
