/**
 * Goal: whatever is pushed, cloned, fetched by planes, detached or repaired, a process takes at most 512 MiB.
 * Method: hard shapes, made on the spot; each command a process, over a folder, a bucket or a web server; the
 * most memory that the operating system has seen of it.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Layout } from '../../lib/storage/repo/layout.js';
import { dlv } from '../helpers/dlv.js';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { randomBytes } from '../helpers/rng.js';
import { s3Env, serveBuckets } from '../helpers/s3-server.js';
import { tempDir } from '../helpers/temp-dir.js';
import { serveFolder } from '../helpers/web-server.js';

const MIB = 2 ** 20;
/** The most that any transfer may take. */
const PEAK_BYTES_MAX = 512 * MIB;
const MINUTES = 60_000;
const REPORT = path.join(PROJECT_ROOT, 'dist', 'test', 'helpers', 'report-peak.js');

/** A repository of one shape, and how its file changes. */
interface Shape {
  repo: TestRepository;
  /** Changes the work file a little. */
  change(seed: number): Promise<void>;
}

/** The bytes before the tensors of a safetensors file, and where each tensor begins. */
function headOf(tensors: readonly (readonly [name: string, count: number])[]): Buffer {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, count] of tensors) {
    header[name] = { dtype: 'F32', shape: [count], data_offsets: [at, at + 4 * count] };
    at += 4 * count;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

/** Runs a command as a process and notes the most memory that it took. */
class Measured {
  readonly #t: ExecutionContext;
  readonly #what: string;
  readonly #env: Record<string, string>;
  #runs = 0;

  constructor(t: ExecutionContext, what: string, env: Record<string, string> = {}) {
    this.#t = t;
    this.#what = what;
    this.#env = env;
  }

  async run(cwd: string, ...args: string[]): Promise<void> {
    const report = path.join(await tempDir(this.#t), `peak-${this.#runs++}`);
    const env = { ...this.#env, NODE_OPTIONS: `--import=${REPORT}`, DLV_TEST_PEAK: report };
    const { code, stderr } = await dlv(args, { cwd, env, process: true });
    const line = `${this.#what}: ${args.slice(0, 4).join(' ')}`;
    this.#t.is(code, 0, `${line}: ${stderr}`);
    const bytes = Number(await fs.readFile(report, 'utf8'));
    this.#t.log(`${line}: ${Math.round(bytes / MIB)} MiB`);
    this.#t.true(bytes > 16 * MIB && bytes <= PEAK_BYTES_MAX, `${line}: ${bytes / MIB} MiB`);
  }
}

/** Overwrites some bytes in the middle of the largest pack of a class. */
async function damage(repo: TestRepository): Promise<void> {
  const { packs } = new Layout(repo.dir);
  let [largest, size] = ['', 0];
  for (const name of await fs.readdir(packs)) {
    const { size: bytes } = await fs.stat(path.join(packs, name));
    if (name.endsWith('.hi') && bytes > size) [largest, size] = [name, bytes];
  }
  const file = await fs.open(path.join(packs, largest), 'r+');
  await file.write(Buffer.alloc(64, 0xa5), 0, 64, Math.floor(size / 2));
  await file.close();
}

/** All transfers of a shape, over a remote that can be written. */
async function transfers(
  { repo, change }: Shape,
  { url, measured, top }: { url: string; measured: Measured; top: string },
): Promise<void> {
  await repo.json('remote', 'add', 'team', url);
  await measured.run(repo.dir, 'push', '-u', 'team');
  await measured.run(top, 'clone', url, 'copy');
  await measured.run(top, 'clone', '--planes', '2', url, 'part');
  await change(1);
  await repo.commit('next');
  await measured.run(repo.dir, 'push');
  await measured.run(path.join(top, 'part'), 'fetch');
  await measured.run(path.join(top, 'part'), 'fetch', '--planes', 'all');
  await measured.run(path.join(top, 'copy'), 'pull');
  await damage(new TestRepository(path.join(top, 'copy')));
  await measured.run(path.join(top, 'copy'), 'fsck', '--repair');
  await measured.run(path.join(top, 'copy'), 'detach', '--planes', '2');
  await repo.json('remote', 'remove', 'team');
}

/** All transfers over a folder, and clones of it from a web server. */
async function byFolder(t: ExecutionContext, shape: Shape): Promise<void> {
  const folder = await tempDir(t);
  const measured = new Measured(t, 'folder');
  await transfers(shape, { url: path.join(folder, 'team.dlv'), measured, top: folder });
  const web = new Measured(t, 'web');
  const { url } = await serveFolder(t, folder);
  const top = await tempDir(t);
  await web.run(top, 'clone', '--planes', '2', `${url}/team.dlv`, 'part');
  await web.run(path.join(top, 'part'), 'fetch', '--planes', 'all');
}

/** All transfers over a bucket. */
async function byBucket(t: ExecutionContext, shape: Shape): Promise<void> {
  const server = await serveBuckets(t);
  const { AWS_ENDPOINT_URL: endpoint, ...credentials } = s3Env(server.url);
  const measured = new Measured(t, 'bucket', credentials);
  const url = `s3://models/net?endpoint=${endpoint}`;
  await transfers(shape, { url, measured, top: await tempDir(t) });
}

/** A repository with one file, of tensors that are changed in one place each. */
async function shapeOf(
  t: ExecutionContext,
  tensors: readonly (readonly [name: string, count: number])[],
  fill: (file: fs.FileHandle, start: number) => Promise<void>,
): Promise<Shape> {
  const repo = await TestRepository.create(t);
  const name = repo.file('model.safetensors');
  const head = headOf(tensors);
  const file = await fs.open(name, 'w');
  await file.write(head, 0, head.length, 0);
  await file.truncate(head.length + tensors.reduce((sum, [, count]) => sum + 4 * count, 0));
  await fill(file, head.length);
  await file.close();
  await repo.commit('first');
  const change = async (seed: number): Promise<void> => {
    const patched = await fs.open(name, 'r+');
    for (const at of [0, 1, 2, 3]) {
      const bytes = randomBytes(256, seed + at);
      await patched.write(bytes, 0, bytes.length, head.length + at * 16 * MIB + 64 * seed);
    }
    await patched.close();
  };
  return { repo, change };
}

test.serial('memory of transfers: one tensor of 640 MiB', async (t) => {
  t.timeout(20 * MINUTES);
  const shape = await shapeOf(t, [['large', 160 * MIB]], async (file, start) => {
    // Every fifth segment is noise, which no coder makes smaller; the others are holes.
    for (let segment = 0; segment < 40; segment += 5) {
      const noise = randomBytes(16 * MIB, segment);
      await file.write(noise, 0, noise.length, start + segment * 16 * MIB);
    }
  });
  await byFolder(t, shape);
});

test.serial('memory of transfers: chains of deltas of a tensor of 96 MiB', async (t) => {
  t.timeout(20 * MINUTES);
  const shape = await shapeOf(t, [['deep', 24 * MIB]], async (file, start) => {
    for (let segment = 0; segment < 6; segment++) {
      const noise = randomBytes(16 * MIB, segment);
      await file.write(noise, 0, noise.length, start + segment * 16 * MIB);
    }
  });
  for (let version = 2; version <= 7; version++) {
    await shape.change(version);
    await shape.repo.commit(`version ${version}`);
  }
  await byBucket(t, shape);
});

test.serial('memory of transfers: 50,000 tensors', async (t) => {
  t.timeout(20 * MINUTES);
  const tensors = Array.from({ length: 50_000 }, (_, i) => [`layer.${i}.weight`, 1024] as const);
  const shape = await shapeOf(t, tensors, async (file, start) => {
    const noise = randomBytes(50_000 * 4096, 1);
    await file.write(noise, 0, noise.length, start);
  });
  await byFolder(t, shape);
});
