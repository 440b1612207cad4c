/**
 * A practitioner's week with dlv, replayed: every command with its answer and its time, to be read by
 * a person at the end. Says what was skipped on this machine, and what did not go as expected.
 *
 *     npm run bench:week                       # prints, and writes benchmarks/results/week.md
 *     npm run bench:week -- --out report.md    # writes elsewhere
 *
 * With DLV_PYTHON, a Python that has torch and transformers, Monday and Tuesday are the real Trainer.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PROJECT_ROOT } from './harness.js';
import { friday, type Machine, monday, thursday, tuesday, wednesday } from './week/days.js';
import { pythonDay } from './week/python.js';
import { Report, Shell } from './week/shell.js';

const at = process.argv.indexOf('--out');
const out =
  at < 0 ? path.join(PROJECT_ROOT, 'benchmarks/results/week.md') : (process.argv[at + 1] as string);

const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-week-'));
const report = new Report();
const started = performance.now();
try {
  const env = {
    DLV_AUTHOR_NAME: 'Ada',
    DLV_AUTHOR_EMAIL: 'ada@example.org',
    DLV_CONFIG: path.join(dir, 'no-settings'),
  };
  const work = path.join(dir, 'encoder');
  await fs.mkdir(work);
  const machine: Machine = { report, dir, shell: new Shell(work, report, env), env };
  report.say('# A week with dlv\n');
  report.say(
    `Made by \`npm run bench:week\` on ${os.cpus().length} cores, Node ${process.version}.`,
  );
  const last = await monday(machine);
  await tuesday(machine, last);
  await wednesday(machine, last);
  await thursday(machine, last);
  await friday(machine);
  await pythonDay(machine);
} finally {
  await fs.rm(dir, { recursive: true, force: true });
}
report.day('The week in numbers');
const minutes = (performance.now() - started) / 60_000;
report.say(`${report.commands} commands in ${minutes.toFixed(1)} minutes.`);
const list = (title: string, rows: readonly string[]): void => {
  report.say(`\n${title}: ${rows.length === 0 ? 'none' : ''}\n`);
  for (const row of rows) report.say(`- ${row}`);
};
list('Skipped', report.skipped);
list('Not as expected', report.surprises);
await fs.writeFile(out, report.text().replaceAll(dir, '/home/ada'));
process.exitCode = report.surprises.length > 0 ? 1 : 0;
