/**
 * slice and construct of several versions are killed again and again: nothing is half visible, nothing is damaged or left
 * behind, and the same statement goes on to the same versions as one that was not.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ConstructionResult } from '../../lib/use/ops/construct.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import { killed } from '../helpers/kill.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { hasTime, SEED } from '../trust/budget.js';

const ROUNDS = Number(process.env.DLV_CONSTRUCT_KILLS ?? 8);

const SOURCES = ['left', 'middle', 'right'];
const STATEMENTS = {
  construct:
    'construct made from m where m.operation = "construct" mutate m["conv1"].replace = CONV(kernel = 5, pad = 2), m["fc1"].insert = BN -> RELU seed 4',
  slice:
    'slice made from m where m.operation = "construct" mutate made.input = m["conv1"] and made.output = m["fc1"]',
};

async function zoo(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  for (const [seed, name] of SOURCES.entries()) {
    await repo.json(
      'query',
      `construct ${name} as INPUT(3, 16, 16) -> CONV(units = 32, kernel = 3, pad = 1) -> RELU -> FULL(units = 64) -> FULL(units = 10) seed ${seed}`,
    );
  }
  return repo;
}

/** Every version of the model, by its branch, with its files and what it derives from. Each is whole, or is not there. */
async function made(repo: TestRepository): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const { refs, version, parents, message } of await repo.json<
    { refs: string[]; version: string; parents: string[]; message: string }[]
  >('log', '--all')) {
    const branch = refs.find((ref) => ref.startsWith('made/'));
    if (branch === undefined) continue;
    const { files } = await repo.json<ShowResult>('show', version);
    const content = files.map(({ path: name, sha256 }) => `${name} ${sha256}`);
    found.set(branch, { parents, message, content });
  }
  return found;
}

for (const [kind, statement] of Object.entries(STATEMENTS)) {
  test(`${kind}: killed again and again, it goes on to the same versions`, async (t) => {
    t.timeout(900_000);
    const start = await zoo(t);
    const copy = async (name: string): Promise<TestRepository> => {
      const dir = path.join(path.dirname(start.dir), `${path.basename(start.dir)}-${name}`);
      await fs.cp(start.dir, dir, { recursive: true });
      t.teardown(() => fs.rm(dir, { recursive: true, force: true }));
      return new TestRepository(dir);
    };
    const whole = await copy('whole');
    const began = performance.now();
    await whole.json('query', statement);
    const took = performance.now() - began;
    const wanted = await made(whole);
    t.is(wanted.size, SOURCES.length);
    const random = seededRandom(15 + SEED);
    let [kills, halves] = [0, 0];
    for (let round = 0; round < ROUNDS && (round === 0 || hasTime()); round++) {
      const repo = await copy(`round-${round}`);
      for (let i = 0; i < 3; i++) {
        // A process takes longer to begin than the statement here.
        if (await killed(['query', statement], repo.dir, 100 + random() * (took + 400))) kills++;
        t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
        const there = await made(repo);
        for (const [branch, version] of there) t.deepEqual(version, wanted.get(branch), branch);
        if (there.size > 0 && there.size < wanted.size) halves++;
      }
      const { versions } = await repo.json<ConstructionResult>('query', statement);
      t.is(versions.length, SOURCES.length);
      t.deepEqual(await made(repo), wanted, `round ${round}`);
      // What killed processes left behind is garbage that goes.
      await repo.json('gc', '--prune=now');
      t.deepEqual(await fs.readdir(path.join(repo.dir, '.dlv/tmp')).catch(() => []), []);
      t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
      await fs.rm(repo.dir, { recursive: true });
    }
    t.log(`${kills} kills of ${3 * ROUNDS} tries, ${halves} after some of the versions`);
    t.true(kills > 0);
  });
}
