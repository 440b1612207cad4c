/** Weights of a version's network by planes, and what bounds know of it. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import type { PlaneSource } from '../../knowledge/progressive/plane-source.js';
import { type Analysis, analyse, NoBounds } from '../../pure/bounds/analysis.js';
import type { Decision } from '../../pure/bounds/decisions.js';
import { beyondUnknown } from '../../pure/bounds/prefix.js';
import { graphsOf, type Network } from '../../pure/network/network.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';
import { networksOfVersion } from '../history/networks/networks.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';

import { chooseTarget, isElsewhere, placeNetwork } from './place-network.js';
import { RepositoryPlanes } from './repository-planes.js';

/** What is asked of a network. */
export interface Asked extends AcceptTier {
  /** Path in the version; default: the only network. */
  network?: string | undefined;
  output?: string | undefined;
  decision: Decision;
  /** Shape of one example as it is fed; null where several inputs are. */
  example: readonly number[] | null;
}

/** Planes, and where it is known, how many bytes some planes of one parameter are. */
export interface MeasuredSource extends PlaneSource {
  bytesOf?(name: string, planes: number): Promise<number>;
}

/** What is read from, and why bounds are missing. */
export interface OpenPlanes {
  source: MeasuredSource;
  analysis: Analysis | null;
  unbounded: string | null;
  label: string;
  folder: string;
  close(): Promise<void>;
}

/** Opens a network of a version for progressive reading. @throws {UsageError} {NotFoundError} {CorruptError} */
export async function openPlanes(
  repo: ReadAccess,
  version: Id,
  asked: Asked,
  context: OpContext,
): Promise<OpenPlanes> {
  if (isElsewhere(asked.network)) {
    throw new UsageError('weights of another version are not read progressively', {
      hint: 'name a network of the version itself: --network <path>',
    });
  }
  const { network: named } = asked;
  const target = await chooseTarget(repo, version, { network: named, snapshot: null }, context);
  checkTiers([target.entry], asked.acceptTier, context);
  const { entry, label } = target;
  const networks = await networksOfVersion(repo, version, context);
  const network = networks.find((one) => one.path === entry.path)?.network;
  if (network === undefined) throw new UsageError(`'${entry.path}' defines no network`);
  const parameters = [...graphsOf(network.graph)].flatMap(({ graph }) => graph.parameters);
  const planes = await RepositoryPlanes.open(repo, entry, parameters, context.signal);
  if (planes === null) {
    const placed = await placeNetwork(repo, target, context.signal);
    const source: PlaneSource = {
      parameters: [],
      bytesAt: async () => entry.size,
      load: async () => ({
        path: placed.path,
        boundsOf: () => ({ low: NONE, high: NONE }),
        placeOf: () => null,
      }),
    };
    const unbounded = 'its tensors are not stored one by one';
    const folder = path.dirname(placed.path);
    return { source, analysis: null, unbounded, label, folder, close: () => placed.remove() };
  }
  const { analysis, unbounded } = bounded(network, asked);
  return {
    source: analysis?.prefix == null ? planes : wholeBefore(planes, analysis.prefix.spared),
    analysis,
    unbounded,
    label,
    folder: planes.folder,
    close: () => planes.close(),
  };
}

const NONE = new Float32Array(0);

/** Planes of which those of all parameters but some are read whole at once. */
function wholeBefore(source: RepositoryPlanes, spared: ReadonlySet<string>): MeasuredSource {
  return {
    parameters: source.parameters.map((one) =>
      spared.has(one.name) ? one : { ...one, start: one.planes },
    ),
    bytesAt: (depths) => source.bytesAt(depths),
    bytesOf: (name, planes) => source.bytesOf(name, planes),
    load: (depths) => source.load(depths),
  };
}

/** The network as bounds see it, or why it has none. */
function bounded(
  network: Network,
  { output, decision, example }: Asked,
): { analysis: Analysis | null; unbounded: string | null } {
  const isRanked = decision.kind === 'top' && decision.count === 1;
  try {
    const [, ...sizes] = network.graph.inputs[0]?.shape ?? [];
    const isOpen = sizes.some((size) => typeof size !== 'number');
    const fits = isOpen && example !== null && example.length === sizes.length;
    const analysis = analyse(network, { output, isRanked, ...(fits ? { example } : {}) });
    if (analysis.halves.size > 0 && process.arch !== 'x64') {
      throw new NoBounds('sums of float16 are only known for x64, where they are of float32');
    }
    return { analysis: beyondUnknown(analysis), unbounded: null };
  } catch (error) {
    if (error instanceof NoBounds) return { analysis: null, unbounded: error.message };
    throw error;
  }
}
