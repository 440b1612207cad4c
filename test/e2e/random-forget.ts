/** What tests of `dlv forget` share: what versions hold, and histories made at random. */
import type { ExecutionContext } from 'ava';
import { resolveId } from '../../lib/use/history/lines/resolve.js';
import type { ForgetResult } from '../../lib/use/ops/forget.js';
import type { GcOpResult } from '../../lib/use/ops/gc.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import { type TestRepository, threeVersions } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';
import { rebuildVersion } from '../trust/record.js';

/** Path → sha256 of the files of a version, read out of the repository. */
export async function filesOf(
  repo: TestRepository,
  revision: string,
): Promise<Record<string, string>> {
  return repo.with(async (open) => rebuildVersion(open, await resolveId(open, revision)));
}

/** What gc --prune=now drops. */
export const prune = (repo: TestRepository, ...flags: string[]): Promise<GcOpResult> =>
  repo.json<GcOpResult>('gc', '--prune=now', ...flags);

/** Makes a random history: branches, copies, merges, tags. */
async function randomHistory(t: ExecutionContext, random: () => number): Promise<TestRepository> {
  const { repo } = await threeVersions(t);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let tensors: Tensors = randomTensors({ 'fc.weight': [64, 128] }, random() * 1e6);
  for (let i = 0; i < 8; i++) {
    tensors = nudge(tensors, 1e-3, random() * 1e6);
    await repo.write(pick(['a.safetensors', 'b.safetensors']), safetensors(tensors));
    if (random() < 0.5) await repo.write(`logs/${pick(['x', 'y'])}.txt`, String(random()));
    const log = await repo.json<LogEntry[]>('log', '--all');
    const parents = random() < 0.3 ? [pick(log).version] : [];
    await repo.commit(`random ${i}`, { parents });
    if (random() < 0.3) await repo.json('tag', `t${i}`, pick(log).version);
    if (random() < 0.3) await repo.json('branch', `b${i}`);
    if (random() < 0.2) await repo.json('copy', 'HEAD', `copy${i}`);
  }
  return repo;
}

/** Forgets versions and paths of a random history: kept versions are byte-equal, gc frees what was said. */
export async function forgetAtRandom(t: ExecutionContext, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const repo = await randomHistory(t, random);
  for (let round = 0; round < 2; round++) {
    const log = await repo.json<LogEntry[]>('log', '--all');
    const before = new Map<string, Record<string, string>>();
    for (const { version } of log) before.set(version, await filesOf(repo, version));
    const isPath = random() < 0.5;
    const target = log[Math.floor(random() * log.length)]!.version;
    const what = isPath ? ['--path', random() < 0.5 ? 'logs' : 'b.safetensors'] : [target];
    const { droppedBytes: garbage } = await prune(repo, '--dry-run');
    const result = await repo.dlv('--json', 'forget', '--force', ...what);
    if (result.code !== 0) continue; // nothing of that name is left
    const done = JSON.parse(result.stdout) as ForgetResult;
    const left = new Set(done.paths);
    const isLeftOut = new Set(done.versions.map(({ version }) => version as string));
    const now = await repo.json<LogEntry[]>('log', '--all');
    t.is(now.length, log.length - (isPath ? 0 : 1));
    const keyOf = ({ model, message, time }: LogEntry) => `${model} ${message} ${time}`;
    const olds = new Map(log.map((entry) => [keyOf(entry), entry.version as string]));
    for (const entry of now) {
      const old = olds.get(keyOf(entry))!;
      const kept = Object.entries(before.get(old)!).filter(
        ([path]) => !(isLeftOut.has(old) && left.has(path)),
      );
      t.deepEqual(await filesOf(repo, entry.version), Object.fromEntries(kept));
    }
    for (const { version, model } of log) {
      // Until gc, each is still there as it was.
      const back = ['branch', `${model}/back`];
      t.is((await repo.json<{ version: string }>(...back, version)).version, version);
      await repo.json('branch', '-D', `${model}/back`);
    }
    t.is((await prune(repo)).droppedBytes, garbage + done.freedBytes);
    t.is((await repo.dlv('fsck', '--files')).code, 0);
  }
}
