/** `dlv run` as tests start it: with a real command that writes checkpoints, and what has to be true in the end. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import type { RunResult } from '../../lib/use/ops/run.js';
import { runFacts } from '../../lib/use/running/run-facts.js';
import { DLV_BIN, dlv } from './dlv.js';
import { NO_SETTINGS, TESTER } from './paths.js';
import type { TestRepository } from './repository.js';
import { wholeCheckpoints, writeTrainer } from './trainer.js';

export interface Ran {
  code: number;
  stderr: string;
  result: RunResult;
}

/** Carries out the trainer of helpers/trainer.ts in a process of its own. */
export async function runIn(
  repo: TestRepository,
  words: string[],
  { flags = [], env = {} }: { flags?: string[]; env?: Record<string, string> } = {},
): Promise<Ran> {
  const trainer = await writeTrainer(repo.dir);
  const args = ['run', '--json', ...flags, '--', ...trainer, ...words];
  const { code, stdout, stderr } = await dlv(args, { cwd: repo.dir, process: true, env });
  return { code, stderr, result: JSON.parse(stdout) as RunResult };
}

/** Checks that every checkpoint that the trainer had finished is a version with exactly its bytes. @param how.before  those that were finished later may be lost; milliseconds since 1970. @returns their number */
export async function allKept(
  t: ExecutionContext,
  repo: TestRepository,
  { before = Number.POSITIVE_INFINITY } = {},
): Promise<number> {
  const stored = new Map<string, Map<string, string>[]>();
  await repo.with(async (open) => {
    const entries = await repo.json<{ version: string }[]>('log', '--all');
    for (const { version } of entries) {
      const id = version as Parameters<typeof open.version>[0];
      const facts = runFacts(await open.version(id));
      if (facts === null) continue;
      const own = new Map(facts.files.map(([name, inside]) => [name, inside]));
      const files = new Map<string, string>();
      for (const { path: name, sha256 } of (await open.tree(id)).files) {
        const inside = own.get(name);
        if (inside !== undefined) files.set(inside, sha256);
      }
      stored.set(facts.place, [...(stored.get(facts.place) ?? []), files]);
    }
  });
  const whole = (await wholeCheckpoints(repo.dir)).filter(({ time }) => time < before);
  for (const { place, files } of whole) {
    const found = stored
      .get(place)
      ?.some((own) =>
        Object.entries(files).every(([inside, sha256]) => own.get(inside) === sha256),
      );
    t.true(found, `${place} is a version, byte for byte`);
  }
  return whole.length;
}

/** Starts dlv run and does not wait. */
export async function startRun(
  repo: TestRepository,
  words: string[],
  { flags = [], env = {} }: { flags?: string[]; env?: Record<string, string> } = {},
): Promise<ChildProcess> {
  const trainer = await writeTrainer(repo.dir);
  return spawn(process.execPath, [DLV_BIN, 'run', '--json', ...flags, '--', ...trainer, ...words], {
    cwd: repo.dir,
    env: { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
