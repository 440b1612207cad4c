/** A repository of a dlv that gave versions no numbers: its names stay, and new versions go on above them. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { NUMBERS_FLAG, readFormat } from '../../lib/storage/repo/format.js';
import { resolveId } from '../../lib/use/history/lines/resolve.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';
import { fsckProblems } from '../trust/record.js';

interface Fixture {
  files: Record<string, string>;
  /** What that dlv called each version, by its message. */
  versions: Record<string, { model: string; number: number; version: Id }>;
}

/** The repository on disk; HEAD is at fx/main, whose tip is `three`. */
async function unnumbered(t: ExecutionContext) {
  const text = await fs.readFile(fixture('repo', 'unnumbered.json'), 'utf8');
  const { files, versions } = JSON.parse(text) as Fixture;
  const dir = await tempDir(t);
  for (const [name, bytes] of Object.entries(files)) {
    const file = path.join(dir, '.dlv', name);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, Buffer.from(bytes, 'base64'));
  }
  return { repo: new TestRepository(dir), versions };
}

/** Names of one version each, and names that two have. */
const NAMES = {
  'fx@1': 'one',
  'fx@2': 'two',
  'kid@1': 'copy of fx@2',
  'fx/main@3': 'three',
  'fx/side@3': 'three-side',
  'fx/side@4': 'four-side',
  'fx/short@4': 'four',
  'fx/short@3': 'three',
  'fx/side@2': 'two',
  v1: 'three',
};
const SHARED = {
  'fx@3': ['fx/main@3', 'fx/side@3'],
  'fx@4': ['fx/short@4', 'fx/side@4'],
};

async function checkNames(
  t: ExecutionContext,
  repo: TestRepository,
  versions: Fixture['versions'],
): Promise<void> {
  for (const [name, message] of Object.entries(NAMES)) {
    const id = await repo.with((open) => resolveId(open, name));
    t.is(id, versions[message]?.version as Id, name);
  }
  for (const [name, names] of Object.entries(SHARED)) {
    const error = await repo.fails(1, 'show', name);
    t.is(error.code, 'DLV_AMBIGUOUS', name);
    t.deepEqual(error.data.names, names);
  }
}

test('names of before resolve as they did, wherever HEAD is, and log prints them', async (t) => {
  const { repo, versions } = await unnumbered(t);
  t.deepEqual(await fsckProblems(repo.dir), []);
  await repo.json('restore', '.');
  for (const branch of ['fx/main', 'fx/side', 'kid/main']) {
    await repo.json('switch', branch);
    await checkNames(t, repo, versions);
  }
  const entries = await repo.json<LogEntry[]>('log', '--all');
  t.is(entries.length, Object.keys(versions).length);
  for (const { message, number, name, version } of entries) {
    const before = versions[message.trim()];
    t.is(number, before?.number as number, message);
    t.is(await repo.with((open) => resolveId(open, name)), version, name);
    t.is(version, before?.version as Id);
  }
});

test('new versions go on above the numbers of before, whatever line they are on', async (t) => {
  const { repo, versions } = await unnumbered(t);
  const flags = async () =>
    repo.with(async (open) => (await readFormat(open.layout)).writeRequired);
  t.false((await flags()).includes(NUMBERS_FLAG));
  await repo.json('restore', '.');
  const made: [string, Id][] = [];
  for (const [branch, name] of [
    ['fx/main', 'fx@5'],
    ['fx/side', 'fx@6'],
    ['fx/main', 'fx@7'],
    ['kid/main', 'kid@2'],
  ] as const) {
    await repo.json('switch', branch);
    await repo.write(`${branch.split('/')[0]}.txt`, name);
    const { version } = await repo.commit(name);
    made.push([name, version]);
    t.true((await flags()).includes(NUMBERS_FLAG));
  }
  for (const [name, version] of made) {
    t.is(await repo.with((open) => resolveId(open, name)), version, name);
  }
  await checkNames(t, repo, versions);
  t.deepEqual(await fsckProblems(repo.dir), []);
});
