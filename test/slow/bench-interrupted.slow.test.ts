/** `dlv bench` that is interrupted: the tests that take long. */
import test from 'ava';
import type { BenchResult } from '../../lib/use/ops/bench.js';
import { UNHURRIED } from '../helpers/bench-runs.js';
import { dlv } from '../helpers/dlv.js';
import { threeVersions } from '../helpers/repository.js';

/** A signal that Ctrl-C raises when it is looked at for the n-th time; `looks` counts how often it was. */
function raisedAtLook(n: number): { signal: AbortSignal; looks: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let looks = 0;
  Object.defineProperty(signal, 'aborted', {
    get(): boolean {
      if (++looks === n) controller.abort();
      return looks >= n;
    },
  });
  return { signal, looks: () => looks };
}

for (const { flags, measured } of [
  { flags: UNHURRIED, measured: ['reads', 'stores', 'plans'] },
  {
    flags: ['--full', '--repeat', '2', '--budgets', '2'],
    measured: ['storage', 'recovery', 'plans'],
  },
]) {
  test(`bench ${flags[0]}: Ctrl-C prints what was measured until then, and names the rest`, async (t) => {
    const { repo } = await threeVersions(t);
    const run = async (n: number) => {
      const { signal, looks } = raisedAtLook(n);
      const words = ['bench', '--json', ...flags];
      return { ...(await dlv(words, { cwd: repo.dir, signal })), looks: looks() };
    };
    const whole = await run(Number.POSITIVE_INFINITY);
    t.is(whole.code, 0);
    const seen = new Set<string>();
    for (let i = 1; i <= 5; i++) {
      const n = Math.ceil((i * whole.looks) / 6);
      const { code, stdout } = await run(n);
      t.is(code, 130, `look ${n} of ${whole.looks}`);
      const found = JSON.parse(stdout) as BenchResult & { error?: { code: string } };
      if (found.error !== undefined) {
        // Nothing is known yet, not even what is stored.
        t.is(found.error.code, 'DLV_ABORTED');
        continue;
      }
      const { brief, storage, recovery, plans } = found;
      const parts: Record<string, boolean> = brief
        ? {
            reads: brief.reads.length > 0,
            stores: brief.stores.length > 2,
            plans: brief.plans.length > 0,
          }
        : { storage: storage !== null, recovery: recovery !== null, plans: plans !== null };
      const leftOut = (brief ?? found).leftOut.join('\n');
      t.not(leftOut, '', `look ${n} of ${whole.looks}`);
      for (const name of measured) {
        if (parts[name]) seen.add(name);
        else {
          const said = { reads: 'times of reading', stores: 'general compressors' }[name] ?? name;
          t.true(leftOut.includes(said), `${name} is neither measured nor named: ${leftOut}`);
        }
      }
      t.true((recovery?.rows ?? []).every(({ ms }) => ms.n > 0));
    }
    t.true(seen.size >= 2, [...seen].join());
    const { signal } = raisedAtLook(whole.looks - 1);
    const text = await dlv(['bench', ...flags], { cwd: repo.dir, signal });
    t.is(text.code, 130);
    t.regex(text.stdout, /^not measured: |^interrupted; not measured to the end: /m);
    t.is((await repo.dlv('fsck')).code, 0);
  });
}
