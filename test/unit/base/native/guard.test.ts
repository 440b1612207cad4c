/** The guard of signals: a listener that was called in time cancels the end, and a child has none. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { HAS_ADDON } from '../../../helpers/kernels.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

const ADDON = path.join(PROJECT_ROOT, 'native/build/kernel.node');
const GUARD = pathToFileURL(path.join(PROJECT_ROOT, 'dist/lib/base/native/guard.js')).href;

/** Runs a program that has `listenToSignals` and the addon. @returns what it wrote. */
async function run(program: string): Promise<string> {
  const head = `
    import { createRequire } from 'node:module';
    import { listenToSignals } from ${JSON.stringify(GUARD)};
    const addon = createRequire(import.meta.url)(${JSON.stringify(ADDON)});
    const say = (text) => process.stdout.write(text + '\\n');
  `;
  const args = ['--input-type=module', '-e', head + program];
  return (await promisify(execFile)(process.execPath, args)).stdout;
}

/** A test that needs the addon. */
function guarded(title: string, check: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    if (HAS_ADDON) await check(t);
    else t.pass('the native kernel was not built');
  });
}

guarded('guard: a listener that is called cancels the end, each time', async (t) => {
  const out = await run(`
    let heard = 0;
    say('guarded ' + listenToSignals(() => {
      say('heard, still waiting: ' + addon.signalHeard());
      if (++heard < 3) process.kill(process.pid, ['SIGINT', 'SIGTERM', 'SIGHUP'][heard]);
      else clearInterval(timer);
    }, 60));
    const timer = setInterval(() => {}, 60_000);
    process.kill(process.pid, 'SIGINT');
  `);
  t.is(out, `guarded true\n${'heard, still waiting: false\n'.repeat(3)}`);
});

guarded('guard: until a listener is called the signal waits', async (t) => {
  const out = await run(`
    process.on('SIGTERM', () => {});
    addon.guardSignals(60);
    say('before: ' + addon.signalHeard());
    process.kill(process.pid, 'SIGTERM');
    say('then: ' + addon.signalHeard());
    say('heard: ' + addon.signalHeard());
  `);
  t.is(out, 'before: false\nthen: true\nheard: false\n');
});

guarded('guard: a signal without a listener keeps its default action', async (t) => {
  const program = `
    addon.guardSignals(60);
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => say('alive'), 60_000);
  `;
  await t.throwsAsync(run(program), { message: /Command failed/ });
});

guarded('guard: refuses what is no number of seconds', async (t) => {
  const out = await run(`
    for (const value of [0, 3601, 1.5, 'x', undefined, NaN]) {
      try { addon.guardSignals(value); say('taken'); } catch (error) { say(error.kernel); }
    }
  `);
  t.is(out, '-1\n'.repeat(6));
});
