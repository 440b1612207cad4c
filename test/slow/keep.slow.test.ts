/**
 * Rules over 200 checkpoints of a real training, with optimizer states: what is kept is byte for byte what was saved,
 * gc frees what was said, to the byte, and a command that is killed has given up all or nothing.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { trainChain } from '../../benchmarks/train/chain.js';
import { sha256Hex } from '../../lib/base/bytes/hash.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import type { KeepVersionsResult } from '../../lib/use/ops/keep-versions.js';
import { filesOf, prune } from '../e2e/random-forget.js';
import { killed } from '../helpers/kill.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { tempDir } from '../helpers/temp-dir.js';

const CHECKPOINTS = 200;
const EVERY = 10;
const RULES = 'last 5, best 3 by eval_loss, every 500, optimizer 2';
const KILLS = 12;

test('keep: 200 checkpoints of a training, killed on the way, freed to the byte', async (t) => {
  t.timeout(1_200_000);
  const repo = await TestRepository.create(t);
  const steps = Array.from({ length: CHECKPOINTS }, (_, i) => EVERY * (i + 1));
  const made = await trainChain({
    hidden: [64],
    seed: 3,
    steps: steps.at(-1) as number,
    checkpoints: steps,
    optimizer: 'adam',
  });
  const saved = new Map<number, Record<string, string>>();
  await repo.write('config.json', '{"hidden": [64]}\n');
  const config = sha256Hex(await repo.read('config.json'));
  await repo.with(async (open) => {
    for (const { step, loss, weights, optimizer } of made) {
      const state = `${JSON.stringify({ global_step: step, log_history: [{ step, loss }] })}\n`;
      await repo.write('model.safetensors', weights);
      await repo.write('optimizer.safetensors', optimizer);
      await repo.write('trainer_state.json', state);
      await add(open, { paths: ['.'] }, repo.context);
      const metrics = [{ name: 'eval_loss', step: null, value: loss }];
      await commit(open, { message: `step ${step}`, step, metrics }, repo.context);
      saved.set(step, {
        'config.json': config,
        'model.safetensors': sha256Hex(weights),
        'optimizer.safetensors': sha256Hex(optimizer),
        'trainer_state.json': sha256Hex(Buffer.from(state)),
      });
    }
  });
  // What stays, told apart from the code that decides it.
  const best = [...made].sort((a, b) => a.loss - b.loss || a.step - b.step).slice(0, 3);
  const whole = new Set([...steps.slice(-5), ...best.map(({ step }) => step)]);
  for (const step of steps) if (step % 500 === 0) whole.add(step);
  const withState = new Set([...whole].sort((a, b) => b - a).slice(0, 2));

  const garbage = (await prune(repo, '--dry-run')).droppedBytes;
  const said = await repo.json<KeepVersionsResult>('keep', '--versions', RULES, '--dry-run');
  t.deepEqual(
    new Set(said.versions.filter(({ reasons }) => reasons.length > 0).map(({ step }) => step)),
    whole,
  );
  t.true(said.freedBytes > 0 && said.baseBytes > 0);

  // Killed at any moment, it has given up all or nothing, and the next run ends it.
  const random = seededRandom(5);
  const given = said.versions.filter(({ files }) => files > 0).length;
  const outcomes = new Map<number, number>();
  let took = 0;
  for (let kill = 0; kill <= KILLS; kill++) {
    const copy = path.join(await tempDir(t), 'net');
    await fs.cp(repo.dir, copy, { recursive: true, preserveTimestamps: true });
    const started = performance.now();
    // The first lives, and is slower than those after it.
    const share = 0.2 + 0.7 * random();
    await killed(['keep', '--versions', RULES, '-q'], copy, kill === 0 ? 600_000 : share * took);
    if (kill === 0) took = performance.now() - started;
    const left = new TestRepository(copy);
    t.deepEqual((await left.json<{ problems: unknown[] }>('fsck')).problems, [], `kill ${kill}`);
    const next = await left.json<KeepVersionsResult>('keep', '--versions', RULES, '--dry-run');
    const whole = next.versions.filter(({ files }) => files > 0).length;
    t.true(whole === 0 || whole === given, `kill ${kill}: ${whole} of ${given} are left`);
    outcomes.set(whole, (outcomes.get(whole) ?? 0) + 1);
    await fs.rm(copy, { recursive: true });
  }
  process.stdout.write(`# keep: killed runs by versions left: ${JSON.stringify([...outcomes])}\n`);

  const done = await repo.json<KeepVersionsResult>('keep', '--versions', RULES);
  t.is(done.freedBytes, said.freedBytes);
  const pruned = await prune(repo);
  t.is(pruned.droppedBytes, garbage + said.freedBytes, 'to the byte');
  t.true(pruned.packBytesBefore - pruned.packBytesAfter >= said.freedBytes);
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck', '--files')).problems, []);
  for (const [i, step] of steps.entries()) {
    const wanted = { ...saved.get(step) };
    if (!withState.has(step)) delete wanted['optimizer.safetensors'];
    if (!whole.has(step)) {
      delete wanted['model.safetensors'];
      delete wanted['trainer_state.json'];
    }
    t.deepEqual(await filesOf(repo, `net@${i + 1}`), wanted, `step ${step}`);
  }
  process.stdout.write(
    `# keep: ${whole.size} of ${CHECKPOINTS} kept, ${said.freedBytes} bytes freed, ${said.baseBytes} stay as bases, ` +
      `packs ${pruned.packBytesBefore} to ${pruned.packBytesAfter}\n`,
  );
});
