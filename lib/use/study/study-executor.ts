/** The executor that the settings of a repository and its user ask for. */
import { UsageError } from '../../base/errors.js';
import {
  EXECUTORS,
  type Executor,
  type ExecutorKind,
  type ExecutorOptions,
} from '../../knowledge/training/executors/executor.js';
import { openExecutor } from '../../knowledge/training/executors/open-executor.js';
import type { StoreAccess } from '../history/access.js';

/** @throws {UsageError} for a kind that is none. */
export function studyExecutor(
  { config }: StoreAccess,
  asked: ExecutorKind | undefined,
  { pace, warn }: Pick<ExecutorOptions, 'pace' | 'warn'> = {},
): Executor {
  const kind = asked ?? config.get('executor.kind');
  const known = EXECUTORS.find((one) => one === kind);
  if (known === undefined) {
    throw new UsageError(`there is no executor '${kind}'`, {
      hint: `executors are ${EXECUTORS.join(', ')}`,
    });
  }
  return openExecutor(
    known,
    {
      workers: config.get('executor.workers'),
      cpus: config.get('executor.cpus'),
      gpus: config.get('executor.gpus'),
      memoryBytes: config.get('executor.memoryMb') * 1024 * 1024,
      seconds: config.get('executor.timeSeconds'),
      retries: config.get('executor.retries'),
      patienceMs: config.get('executor.patienceSeconds') * 1000,
      setup: config.get('executor.setup'),
      ...(pace === undefined ? {} : { pace }),
      ...(warn === undefined ? {} : { warn }),
    },
    { rayAddress: config.get('ray.address'), slurmOptions: config.get('slurm.options') },
  );
}
