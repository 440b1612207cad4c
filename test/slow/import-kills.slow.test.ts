/**
 * Every kind of import is killed again and again: nothing is half visible, nothing is damaged, and the command goes on
 * to the same versions, branches and tags as one that was not.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { ShowResult } from '../../lib/use/ops/show.js';
import { Repository } from '../../lib/use/repository.js';
import { SOURCES } from '../helpers/import-sources.js';
import { killed } from '../helpers/kill.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { tempDir } from '../helpers/temp-dir.js';
import { hasTime, SEED } from '../trust/budget.js';

const ROUNDS = Number(process.env.DLV_IMPORT_KILLS ?? 12);

async function fresh(top: string, name: string): Promise<TestRepository> {
  const dir = path.join(top, name);
  await fs.mkdir(dir);
  await (await Repository.init(dir, 'host')).close();
  return new TestRepository(dir);
}

interface Row {
  version: string;
  number: number;
  message: string;
  refs: string[];
  parents: string[];
  operation: { detail: string } | null;
}

/**
 * All versions with their messages, files, parents and refs. A killed command may leave a number unused, which is part of
 * the id: versions are named by their messages here. Numbers go up all the same.
 */
async function outcome(repo: TestRepository): Promise<unknown> {
  const log = await repo.json<Row[]>('log', '--all');
  const called = new Map(log.map(({ version, message }) => [version, message]));
  const numbers = new Map(log.map(({ version, number }) => [version, number]));
  const rows = [];
  for (const { version, number, message, refs, parents, operation } of log) {
    const late = parents.filter((parent) => (numbers.get(parent) as number) >= number);
    const { files } = await repo.json<ShowResult>('show', version);
    const content = files.map(({ path: name, sha256 }) => `${name} ${sha256}`);
    const names = parents.map((parent) => called.get(parent));
    rows.push({ message, refs, names, late, content, made: operation?.detail });
  }
  return rows.sort((a, b) => (a.message < b.message ? -1 : 1));
}

for (const [kind, make] of Object.entries(SOURCES)) {
  test(`import of ${kind}: killed again and again, it goes on to the same result`, async (t) => {
    t.timeout(900_000);
    const top = await tempDir(t);
    const names: Record<string, string> = { bundle: 'source.dlv', 'hub-cache': 'models--org--net' };
    const source = path.join(top, names[kind] ?? 'source');
    await make(t, source);
    const args = ['import', source, ...(kind === 'bundle' ? [] : ['--model', 'taken'])];
    const whole = await fresh(top, 'whole');
    const began = performance.now();
    await whole.json(...args);
    const took = performance.now() - began;
    const wanted = await outcome(whole);
    const random = seededRandom(6 + SEED);
    let kills = 0;
    for (let round = 0; round < ROUNDS && (round === 0 || hasTime()); round++) {
      const repo = await fresh(top, `round-${round}`);
      for (let i = 0; i < 3; i++) {
        // A process takes longer to begin than the command here.
        if (await killed(args, repo.dir, 150 + random() * (took + 300))) kills++;
        t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
      }
      await repo.json(...args);
      t.deepEqual(await outcome(repo), wanted, `round ${round}`);
      t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
      t.deepEqual(await repo.json('import', ...args.slice(1)).then(() => outcome(repo)), wanted);
      await fs.rm(repo.dir, { recursive: true });
    }
    t.log(`${kills} kills of ${3 * ROUNDS} tries`);
    t.true(kills > 0);
  });
}
