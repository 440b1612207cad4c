/**
 * What containers do in test/integration/containers.test.ts.
 *
 *     unfinished <dir>      stores a blob, prints 'held', lists it when its input ends
 */
import { fileURLToPath } from 'node:url';
import { Repository } from '../../lib/use/repository.js';
import { randomBytes } from '../helpers/rng.js';

/** This file, compiled. */
export const CONTAINER_WORKER = fileURLToPath(import.meta.url);

async function leaveUnfinished(dir: string): Promise<void> {
  const repo = await Repository.open(dir);
  const session = repo.session();
  await session.putBlob('blob', randomBytes(300_000, 7));
  process.stdout.write(`pid ${process.pid} held\n`);
  for await (const _ of process.stdin);
  await session.flush();
  await repo.close();
}

if (process.argv[1] === CONTAINER_WORKER) {
  const [verb, dir = ''] = process.argv.slice(2);
  if (verb === 'unfinished') await leaveUnfinished(dir);
}
