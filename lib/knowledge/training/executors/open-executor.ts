/** The executor of a kind. */
import { ClusterExecutor } from './cluster.js';
import type { Executor, ExecutorKind, ExecutorOptions } from './executor.js';
import { LocalPool } from './local-pool.js';
import { RayCluster } from './ray.js';
import { SlurmCluster } from './slurm.js';

/** What the clusters are told beside. */
export interface ClusterSettings {
  rayAddress: string;
  slurmOptions: string | null;
}

export function openExecutor(
  kind: ExecutorKind,
  options: ExecutorOptions,
  { rayAddress, slurmOptions }: ClusterSettings,
): Executor {
  if (kind === 'ray') return new ClusterExecutor(new RayCluster(rayAddress, options), options);
  if (kind === 'slurm') {
    const more = slurmOptions === null ? [] : slurmOptions.trim().split(/\s+/);
    return new ClusterExecutor(new SlurmCluster(more, options), options);
  }
  return new LocalPool(options);
}
