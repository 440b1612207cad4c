/**
 * The repository that commands are tried on, and how its state is told: refs, HEAD, settings, what is
 * staged, the work files. `describe` reads it through the library, so it is also what a user would see.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { type Id, sha256Hex } from '../../lib/base/bytes/hash.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { readHead } from '../../lib/storage/repo/refs/head.js';
import { listNotedVersions, listRefs, readNotes } from '../../lib/storage/repo/refs/refs.js';
import { readLineStagings, readStaging } from '../../lib/storage/repo/staging/staging-file.js';
import { Repository } from '../../lib/use/repository.js';
import { must } from './cli.js';
import { checkpoint } from './model-files.js';
import { type Acknowledged, type FileHashes, hashFiles, rebuildVersion } from './record.js';

/** A repository, and what it acknowledged. */
export interface Specimen {
  dir: string;
  acknowledged: Acknowledged;
}

/**
 * Makes a repository in the empty folder `dir`: the model m with three versions, the branch topic on
 * its second, the tag first on its first, the model n copied from the second; one change that is staged, one that is
 * not.
 */
export async function makeSpecimen(dir: string): Promise<Specimen> {
  const acknowledged: Acknowledged = new Map();
  const write = (name: string, bytes: string | Uint8Array) =>
    fs.writeFile(path.join(dir, name), bytes);
  await must(['init', '--model', 'm'], dir);
  for (const step of [0, 1, 2]) {
    await write('model.safetensors', checkpoint(5, step));
    await write('notes.txt', `step ${step}\n`);
    await must(['add', '.'], dir);
    const made = JSON.parse(await must(['commit', '-m', `step ${step}`, '--json'], dir));
    acknowledged.set(made.version as Id, await hashFiles(dir));
    if (step === 0) await must(['tag', 'first'], dir);
    if (step === 1) await must(['branch', 'topic'], dir);
  }
  const copied = JSON.parse(await must(['copy', 'HEAD~1', 'n', '--json'], dir));
  const source = acknowledged.get(copied.source.version as Id) as FileHashes;
  const moved = Object.entries(source).map(([name, hash]) => [`n/${name}`, hash]);
  acknowledged.set(copied.version as Id, Object.fromEntries(moved));
  await write('model.safetensors', checkpoint(5, 3));
  await must(['add', 'model.safetensors'], dir);
  await write('notes.txt', 'step 3\n');
  return { dir, acknowledged };
}

/** Thing → its state, in words: `ref refs/heads/m/main` → an id, `work notes.txt` → a sha256. */
export type State = Map<string, string>;

/** What a repository and its work tree are like. Null if there is no repository. */
export async function describe(dir: string): Promise<State | null> {
  const layout = new Layout(dir);
  if ((await fs.stat(layout.format).catch(() => null)) === null) return null;
  const state: State = new Map();
  for (const { name, id } of await listRefs(layout)) state.set(`ref ${name}`, id);
  for (const version of await listNotedVersions(layout)) {
    state.set(`notes ${version}`, (await readNotes(layout, version)).join(' '));
  }
  state.set('HEAD', JSON.stringify(await readHead(layout)));
  state.set('config', await fs.readFile(layout.config, 'utf8').catch(() => 'nothing'));
  const { staging } = await readStaging(layout);
  for (const { model, branch } of staging.models()) {
    state.set(`line ${model}`, String(branch));
    for (const { path: file, sha256 } of staging.entries(model)) {
      state.set(`staged ${model} ${file}`, sha256);
    }
  }
  const apart = await readLineStagings(layout, (file, error) => {
    throw new Error(`'${file}' cannot be read`, { cause: error });
  });
  for (const one of apart) {
    for (const { model, branch } of one.models()) {
      for (const { path: file, sha256 } of one.entries(model)) {
        state.set(`staged apart ${model}/${branch} ${file}`, sha256);
      }
    }
  }
  for (const [file, hash] of await hashTree(dir)) state.set(`work ${file}`, hash);
  return state;
}

/** Files of the work tree, below folders too, by path. */
async function hashTree(dir: string): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const entry of await fs.readdir(dir, { withFileTypes: true, recursive: true })) {
    const file = path.relative(dir, path.join(entry.parentPath, entry.name));
    if (!entry.isFile() || file.startsWith('.dlv')) continue;
    found.push([file, sha256Hex(await fs.readFile(path.join(dir, file)))]);
  }
  return found.sort();
}

/** As a state, with each version told by its files: two commits of the same files are equal then. */
export async function byContent(dir: string, state: State): Promise<State> {
  const repo = await Repository.open(dir);
  try {
    const told: State = new Map();
    for (const [thing, value] of state) {
      if (thing.startsWith('ref ')) {
        told.set(thing, JSON.stringify(await rebuildVersion(repo, value as Id)));
      } else if (!thing.startsWith('notes ')) told.set(thing, value);
    }
    return told;
  } finally {
    await repo.close();
  }
}

/** Things whose state is in none of `allowed`, in words. */
export function differences(found: State, ...allowed: readonly State[]): string[] {
  const things = new Set([found, ...allowed].flatMap((state) => [...state.keys()]));
  const wrong: string[] = [];
  for (const thing of things) {
    const is = found.get(thing);
    if (allowed.some((state) => state.get(thing) === is)) continue;
    const may = [...new Set(allowed.map((state) => state.get(thing) ?? 'nothing'))];
    wrong.push(`${thing} is ${is ?? 'nothing'}, not ${may.join(' or ')}`);
  }
  return wrong;
}
