/** A run whose versions rules are tried on. */
import type { ExecutionContext } from 'ava';
import { SHAPES, TestRepository } from './repository.js';
import { nudge, randomTensors, safetensors } from './safetensors.js';

/** Versions of a run: weights, optimizer state of its own and one file that all share; a loss that is least at 4. */
export async function trained(t: ExecutionContext, count: number): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('config.json', '{"hidden": 16}\n');
  let weights = randomTensors(SHAPES, 1);
  for (let i = 1; i <= count; i++) {
    weights = nudge(weights, 1e-3, i);
    // Of no other version: what is given up of it is no base.
    const state = randomTensors(SHAPES, 100 + i);
    await repo.write('model.safetensors', safetensors(weights));
    await repo.write('optimizer.safetensors', safetensors(state));
    const metrics = [{ name: 'eval_loss', step: null, value: Math.abs(i - 4) / 10 }];
    await repo.commit(`step ${i * 100}`, { step: i * 100, metrics });
  }
  return repo;
}
