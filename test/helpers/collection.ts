/** Collection at a remote: what its quick and its slow tests share. */
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { largeTensors, step } from './remotes.js';
import { type TestRepository, threeVersions } from './repository.js';
import { type S3Server, s3Env, serveBuckets } from './s3-server.js';
import type { Tensors } from './safetensors.js';

export const MINUTE = 60_000;

export async function sound(repo: TestRepository): Promise<unknown[]> {
  return (await repo.json<{ problems: unknown[] }>('fsck')).problems;
}

export interface Made {
  repo: TestRepository;
  top: string;
  url: string;
  server: S3Server;
  tensors: Tensors[];
  /** Sets the store's clock so many minutes on. */
  later(minutes: number): void;
  packs(): string[];
}

/** Three versions of one branch in a bucket, and a version of a branch that is gone again. */
export async function withGarbage(t: ExecutionContext): Promise<Made> {
  const server = await serveBuckets(t);
  const { AWS_ENDPOINT_URL: endpoint, ...credentials } = s3Env(server.url);
  Object.assign(process.env, credentials);
  const url = `s3://models/net?endpoint=${endpoint}`;
  let minutes = 0;
  server.now = () => Date.now() + minutes * MINUTE;
  const { repo, tensors } = await threeVersions(t);
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u');
  await repo.json('switch', '-c', 'wide');
  await step(repo, largeTensors(5), 1);
  await repo.json('push', 'origin', 'wide');
  await repo.json('push', 'origin', '--delete', 'wide');
  await repo.json('switch', 'main');
  return {
    repo,
    top: path.dirname(repo.dir),
    url,
    server,
    tensors,
    later: (more) => {
      minutes += more;
    },
    packs: () => [...server.objects.keys()].filter((key) => key.startsWith('models/net/packs/')),
  };
}
