/**
 * Bit rot in every kind of file of a repository: flipped bits, lost blocks, files that are cut, longer
 * or gone. What is read is exact or an error. fsck finds the damage and names the file, or the damage
 * is harmless; `fsck --rebuild` mends what is derived, and of the rest all that it does not name.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Id } from '../../../lib/base/bytes/hash.js';
import { DlvError } from '../../../lib/base/errors.js';
import { io } from '../../../lib/base/files/files.js';
import { seededRandom } from '../../helpers/rng.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { readTree, type Tree, writeTree } from '../../helpers/tree.js';
import { must, runInside } from '../cli.js';
import { checkpoint } from '../model-files.js';
import { type Acknowledged, type FileHashes, isOurs, readVersions } from '../record.js';
import { describe, differences, makeSpecimen, type State } from '../specimen.js';
import { type Damage, DERIVED, damagesOf, kindOf } from './damage.js';

// No power is cut here.
io.fsync = async () => {};

/** A repository that has every kind of file. */
interface Sample {
  tree: Tree;
  acknowledged: Acknowledged;
  state: State;
}

/** @param scale  size of an additional model: 1 gives 41 KB, 300 fills every class of pack files. */
async function makeSample(t: ExecutionContext, scale: number): Promise<Sample> {
  const dir = path.join(await tempDir(t), 'sample');
  await fs.mkdir(dir);
  const { acknowledged } = await makeSpecimen(dir);
  await must(['branch', 'gone', 'topic'], dir);
  await must(['branch', '-d', 'gone'], dir);
  await must(['archive', '--yes', '--budget', '1.5'], dir);
  await must(['tag', '-d', 'first'], dir);
  await must(['tag', 'kept'], dir);
  await must(['archive', '--tier', 'bf16', 'm@1', '--yes'], dir);
  acknowledged.delete([...acknowledged.keys()][0] as Id);
  await must(['checkout', 'm@2', '--out', path.join(dir, '..', 'out')], dir);
  if (scale > 1) {
    await fs.writeFile(path.join(dir, 'large.safetensors'), checkpoint(9, 1, scale));
    await must(['add', 'large.safetensors'], dir);
  }
  // What ended processes leave.
  const inside = path.join(dir, '.dlv');
  await fs.mkdir(path.join(inside, 'tmp', '4194000-1'), { recursive: true });
  await fs.writeFile(path.join(inside, 'tmp', '4194000-1', 'unfinished'), 'bytes');
  const state = (await describe(dir)) as State;
  return { tree: readTree(dir), acknowledged, state };
}

interface FsckDocument {
  ok: boolean;
  problems: { file: string | null; message: string; affects: { version: Id | null }[] }[];
}

async function fsck(dir: string, ...flags: string[]): Promise<FsckDocument | string> {
  const { code, stdout, stderr } = await runInside(['fsck', ...flags, '--json'], dir);
  try {
    const document = JSON.parse(stdout) as FsckDocument & {
      error?: { code: string; message: string };
    };
    if (document.error === undefined) return document;
    const { error } = document;
    return error.code === 'DLV_BUG' ? `a bug: ${error.message}` : `${error.code}: ${error.message}`;
  } catch {
    return `exit code ${code}: ${stdout}${stderr}`;
  }
}

/** Versions that are exact, and those that are refused; other bytes are wrong, whatever rots. */
async function readAll(dir: string, sample: Sample): Promise<{ lost: Id[]; wrong: string[] }> {
  const lost: Id[] = [];
  const wrong: string[] = [];
  for (const [id, files] of await readVersions(dir, sample.acknowledged.keys())) {
    if (files instanceof DlvError) lost.push(id);
    else if (differs(files, sample.acknowledged.get(id) as FileHashes)) {
      wrong.push(`version ${id} is served with other bytes`);
    }
  }
  return { lost, wrong };
}

function differs(a: FileHashes, b: FileHashes): boolean {
  return Object.keys({ ...a, ...b }).some((name) => a[name] !== b[name]);
}

/**
 * What refs, HEAD and staging are instead of what they were; or that they are refused. The config is
 * the user's own text, and a note that is lost changes no byte that a version gives back: both are left
 * out.
 */
async function readState(dir: string, sample: Sample): Promise<string[] | DlvError> {
  try {
    const state = await describe(dir);
    if (state === null) return ['there is no repository'];
    return differences(state, sample.state).filter((text) => !/^(config|notes) /.test(text));
  } catch (error) {
    if (isOurs(error)) return error;
    throw error;
  }
}

/** What is wrong after one damage, in sentences. @param name of the damaged file, under .dlv. */
async function examine(
  dir: string,
  sample: Sample,
  name: string,
  damage: Damage,
): Promise<string[]> {
  writeTree(dir, sample.tree, null);
  const file = path.join(dir, '.dlv', name);
  if (damage.bytes === null) await fs.rm(file);
  else await fs.writeFile(file, damage.bytes);
  const found = await fsck(dir);
  const { lost, wrong } = await readAll(dir, sample);
  const state = await readState(dir, sample);
  if (typeof found === 'string') {
    if (!found.includes(path.basename(name))) wrong.push(`fsck does not name the file: ${found}`);
  } else if (found.ok) {
    // What fsck does not find has to be harmless.
    if (state instanceof DlvError) wrong.push(`fsck finds nothing, a read ${state.message}`);
    else wrong.push(...state.map((text) => `fsck finds nothing, but ${text}`));
    if (lost.length > 0) wrong.push(`fsck finds nothing, but ${lost.length} versions are lost`);
  } else wrong.push(...namedBadly(found, name, lost));
  wrong.push(...(await mend(dir, sample, name, found)));
  return wrong;
}

/** What the findings of fsck leave out. */
function namedBadly({ problems }: FsckDocument, name: string, lost: readonly Id[]): string[] {
  // A marker for git is a folder of several files, and is made again as a whole.
  const place = name.replace(/(?<=\.git)\/.*$/, '');
  const isNamed = problems.some(({ file, message }) => file === place || message.includes(place));
  if (!isNamed) return [`fsck names ${JSON.stringify(problems.map(({ message }) => message))}`];
  const kind = kindOf(name);
  if (!kind.startsWith('packs ') || kind === 'packs idx') return [];
  const affected = new Set(
    problems.flatMap(({ affects }) => affects.map(({ version }) => version)),
  );
  const unnamed = lost.filter((id) => !affected.has(id));
  return unnamed.map((id) => `fsck does not say that version ${id} is affected`);
}

/** Rebuilds, and says what is wrong then. */
async function mend(
  dir: string,
  sample: Sample,
  name: string,
  found: FsckDocument | string,
): Promise<string[]> {
  const kind = kindOf(name);
  const first = await fsck(dir, '--rebuild');
  const second = await fsck(dir);
  const { lost, wrong } = await readAll(dir, sample);
  if (DERIVED.has(kind)) {
    if (typeof second === 'string' || !second.ok) wrong.push(`stays: ${JSON.stringify(second)}`);
    if (lost.length > 0) wrong.push(`${lost.length} versions are lost`);
    const state = await readState(dir, sample);
    if (state instanceof DlvError) wrong.push(`state: ${state.message}`);
    else wrong.push(...state.filter((text) => !isOfKind(text, kind)));
  } else if (typeof first !== 'string' && typeof second !== 'string') {
    // What a repair leaves is said by the next fsck, and nothing else is found by it.
    if (second.ok && lost.length > 0) wrong.push(`${lost.length} versions are lost in silence`);
    if (first.ok !== second.ok) wrong.push('fsck says other things when it is run once more');
    // With settings that cannot be read nothing is served until the user has mended them.
    if (typeof found !== 'string' && kind !== 'config') {
      const affected = new Set(found.problems.flatMap((p) => p.affects.map((a) => a.version)));
      const more = lost.filter((id) => !affected.has(id));
      wrong.push(...more.map((id) => `version ${id} is lost by the rebuild`));
    }
  }
  return wrong.map((text) => `after --rebuild, ${text}`);
}

/** HEAD and staging are guessed where they were lost: their own content may be another then. */
function isOfKind(text: string, kind: string): boolean {
  if (kind === 'HEAD') return text.startsWith('HEAD is ');
  return kind === 'staging' && /^(staged|line) /.test(text);
}

/** What was damaged. */
export interface Rotted {
  /** Damages by kind of file. */
  counts: Record<string, number>;
  failures: string[];
}

/**
 * Damages files of every kind in every way, in an order that the seed decides, again and again until
 * the time is over.
 * @param untilMs  when to stop, as performance.now() tells time; each kind is damaged once in any case.
 */
export async function rot(
  t: ExecutionContext,
  scale: number,
  seed: number,
  untilMs: number,
): Promise<Rotted> {
  const sample = await makeSample(t, scale);
  const random = seededRandom(seed);
  const byKind = new Map<string, string[]>();
  for (const [name, bytes] of sample.tree) {
    if (bytes === null || !name.startsWith('.dlv/')) continue;
    const inside = name.slice('.dlv/'.length);
    const kind = kindOf(inside);
    byKind.set(kind, [...(byKind.get(kind) ?? []), inside]);
  }
  const rotted: Rotted = { counts: {}, failures: [] };
  const root = await tempDir(t);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  for (let round = 0; round === 0 || performance.now() < untilMs; round++) {
    for (const [kind, names] of byKind) {
      if (round > 0 && performance.now() > untilMs) break;
      const name = pick(names);
      const damage = pick(damagesOf(sample.tree.get(`.dlv/${name}`) as Buffer, random));
      rotted.counts[kind] = (rotted.counts[kind] ?? 0) + 1;
      const dir = path.join(root, 'work');
      const wrong = await examine(dir, sample, name, damage).catch((error: Error) => [
        `throws ${error.stack}`,
      ]);
      await fs.rm(dir, { recursive: true });
      if (wrong.length > 0)
        rotted.failures.push(`'${name}' ${damage.what}\n  ${wrong.join('\n  ')}`);
    }
  }
  return rotted;
}
