/** Sizes of the networks that versions keep, for the columns parameters, macs and layers. */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { isUnreadable } from '../../../base/errors.js';
import { networkCost } from '../../../pure/network/cost/network-cost.js';
import type { StoredStructure } from '../../../pure/network/encode.js';
import { batchSizes } from '../../../pure/network/shapes/batch.js';
import { inferShapes } from '../../../pure/network/shapes/infer-shapes.js';
import { totalOf } from '../../../pure/network/weights/groups.js';
import { groupsOf } from '../../../pure/network/weights/stored-weights.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { keptNetworks } from '../networks/networks.js';

/** Sums over the networks of a version, for a batch of 1. */
export interface NetworkSize {
  parameters: number;
  /** null where they depend on open dimensions. */
  macs: number | null;
  layers: number;
}

/** True if a text, such as a condition or a list of columns, may ask for sizes of networks. */
export function mentionsNetworks(texts: readonly string[]): boolean {
  return texts.some((text) => /\b(parameters|macs|layers)\b/i.test(text));
}

/** Sizes by id; each network is read once. One that cannot be read has none. */
export async function networkSizes(
  repo: ReadAccess,
  ids: Iterable<Id | null>,
  signal?: AbortSignal,
): Promise<Map<Id, NetworkSize>> {
  const sizes = new Map<Id, NetworkSize>();
  for (const id of new Set(ids)) {
    throwIfAborted(signal);
    if (id === null) continue;
    try {
      sizes.set(id, sizeOf(await keptNetworks(repo, id)));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
  return sizes;
}

/** Of a version without networks, of its checkpoints: what a pass costs is not known then. */
function sizeOf({ networks, weights }: StoredStructure): NetworkSize {
  if (networks.length === 0) {
    const groups = weights.flatMap(groupsOf);
    return { parameters: totalOf(groups).parameters, macs: null, layers: groups.length };
  }
  const size: NetworkSize = { parameters: 0, macs: 0, layers: 0 };
  for (const { network, view } of networks) {
    const shapes = inferShapes(network, { sizes: batchSizes(network.graph, 1) });
    const { parameters, macs } = networkCost(network, view, shapes);
    size.parameters += parameters;
    size.macs = size.macs === null || typeof macs !== 'number' ? null : size.macs + macs;
    size.layers += view.reduce((sum, part) => sum + part.layers.length, 0);
  }
  return size;
}
