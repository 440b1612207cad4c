/**
 * A storm: several processes commit, tag, branch, archive, collect garbage, check and check out in one
 * repository at once, and are killed at random. Each works on a line of its own and all on a shared
 * one. What has to be there is kept outside of the repository (expected.ts) and compared.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { tempDir } from '../../helpers/temp-dir.js';
import { must } from '../cli.js';
import { compareVersions, fsckProblems } from '../record.js';
import { Actor, type Scene, type Weather } from './actor.js';
import { Expected, lineOf } from './expected.js';

/** Makes the repository of a storm. */
async function makeScene(t: ExecutionContext, untilMs: number): Promise<Scene> {
  const root = await tempDir(t);
  const [dir, aside] = [path.join(root, 'repo'), path.join(root, 'aside')];
  await fs.mkdir(path.join(dir, 's'), { recursive: true });
  await fs.mkdir(aside);
  await must(['init', '--model', 's'], dir);
  await must(['config', 'gc.autoSets', '4'], dir);
  await fs.writeFile(path.join(dir, 's', 'base.txt'), 'base\n');
  await must(['add', '.'], dir);
  await must(['commit', '-m', 'base'], dir);
  const weather: Weather = { answers: {}, versions: 0, kills: 0, wrong: [] };
  return { dir, aside, expected: new Expected(), shared: new Map(), weather, untilMs };
}

/**
 * Lets `count` processes work and kills one of them again and again.
 * @param seconds  how long they work.
 */
export async function storm(
  t: ExecutionContext,
  count: number,
  seconds: number,
  seed: number,
): Promise<Weather> {
  const scene = await makeScene(t, performance.now() + seconds * 1000);
  const { dir, weather, expected } = scene;
  const actors: Actor[] = [];
  for (let i = 0; i < count; i++) {
    await fs.mkdir(path.join(dir, `w${i}`));
    actors.push(new Actor(scene, `w${i}`, seed * 100 + i));
  }
  await Promise.all(actors.map((actor) => actor.act()));
  weather.versions = expected.acknowledged.size + scene.shared.size;
  weather.wrong.push(...(await aftermath(scene, 'after the storm')));
  await must(['gc', '--prune=now'], dir);
  weather.wrong.push(...(await aftermath(scene, 'after gc --prune=now')));
  weather.wrong.push(...(await leftovers(dir)).map((name) => `gc --prune=now leaves '${name}'`));
  return weather;
}

/** What is not as it has to be, in sentences. */
async function aftermath(scene: Scene, when: string): Promise<string[]> {
  const { dir, expected, shared } = scene;
  const wrong = [...(await fsckProblems(dir))];
  wrong.push(...(await compareVersions(dir, expected.acknowledged)));
  for (const ref of expected.refs) {
    const settled = await expected.settle(dir, ref);
    if ('wrong' in settled) wrong.push(settled.wrong);
  }
  const line = new Set(await lineOf(dir, 'refs/heads/s/main'));
  for (const id of shared.keys()) {
    if (!line.has(id)) wrong.push(`version ${id} is not on the line that all share`);
  }
  return wrong.map((text) => `${when}: ${text}`);
}

/** What killed processes left and nobody took away. */
async function leftovers(dir: string): Promise<string[]> {
  const inside = path.join(dir, '.dlv');
  const all = await fs.readdir(inside, { recursive: true });
  return all.filter((name) => /(^|\/)(\.tmp-|lock$|lock\.)|^(tmp|readers|trash)\/./.test(name));
}
