/**
 * What holds for every command: its warnings are in its document and on stderr, and -q takes away what it says of
 * what it did, and nothing else.
 */
import fs from 'node:fs/promises';
import test from 'ava';
import { declaredCommands } from '../../lib/cli/docs.js';
import { LINES, type Line } from '../helpers/command-lines.js';
import { threeVersions } from '../helpers/repository.js';

/** Commands that warn of nothing by themselves: what is wrong is their answer, or in the answers of others. */
const WITHOUT_WARNINGS = new Set(['fsck', 'ui', 'batch', 'completion']);
/** What warns where the settings of the repository are not read: it is a new one. */
const WARNS_OF: Record<string, { args: string[]; says: RegExp }> = {
  init: { args: ['init', 'sub'], says: /lies inside another one/ },
  clone: { args: ['clone', 'team.dlv', 'copy', '--only', 'none.*'], says: /matches no file/ },
};

for (const [name, line] of Object.entries(LINES)) {
  if (WITHOUT_WARNINGS.has(name)) continue;
  const { args, says } = WARNS_OF[name] ?? {
    args: line.args,
    says: /'user\.name' in line \d+ of '.*' is ignored/,
  };
  test(`documents: ${name} has its warnings in its document, and on stderr`, async (t) => {
    if (line.isOptional === true) {
      t.log(
        `SKIPPED: warnings of ${name} are NOT tested, a package that it needs is not installed`,
      );
      t.pass();
      return;
    }
    const { repo } = await threeVersions(t);
    await line.prepare?.(repo);
    // A setting that a repository may not set for itself: whoever reads settings warns of it.
    await fs.appendFile(repo.file('.dlv/config'), '\n[user]\n  name = Eve\n');
    const { code, stdout, stderr } = await repo.dlv('--json', '-q', '--no-progress', ...args);
    t.is(code, 0, stdout);
    const said = stderr.split('\n').flatMap((text) => {
      return text.startsWith('{"warning":')
        ? [(JSON.parse(text) as { warning: string }).warning]
        : [];
    });
    t.true(
      said.some((text) => says.test(text)),
      stderr,
    );
    const document = JSON.parse(stdout) as unknown;
    // A list has no room for them (docs/decisions/0012).
    if (!Array.isArray(document)) t.deepEqual((document as { warnings: string[] }).warnings, said);
  });
}

/** Lines with which a command shows what it was asked for: -q leaves that. All others of LINES change something. */
const SHOWS = new Set(
  [
    'list log show desc reflog diff eval query ui cat status branch tag du config bench fsck completion batch model',
    'remote keep',
  ].flatMap((names) => names.split(' ')),
);
/** Commands of which LINES has only a line that shows something. */
const CHANGES: Record<string, Line> = {
  tag: { args: ['tag', 'v2'] },
  branch: { args: ['branch', 'side'] },
  'branch -d': {
    args: ['branch', '-d', 'side'],
    prepare: async (repo) => void (await repo.json('branch', 'side')),
  },
  remote: { args: ['remote', 'add', 'origin', 'team.dlv'] },
  model: { args: ['model', 'rename', 'net', 'other'] },
  config: { args: ['config', 'gc.graceDays', '3'] },
  keep: {
    args: ['keep', '--last', '1'],
    prepare: async (repo) => {
      for (const step of [1, 2]) await repo.write(`step_${step}.bin`, `${step}`);
      await repo.commit('checkpoints');
    },
  },
  'stash pop': {
    args: ['stash', 'pop'],
    prepare: async (repo) => {
      await repo.write('note.txt', 'x');
      await repo.json('stash');
    },
  },
  'query --save': { args: ['query', '--save', 'all', 'select m where m.files > 0'] },
};

/** Remotes are told of by their own tests. */
const TRANSFERS = new Set(['push', 'fetch', 'pull', 'merge']);

test('quiet: every command is tried', async (t) => {
  for (const { name } of await declaredCommands()) t.truthy(LINES[name], name);
});

const changing = Object.entries(LINES).filter(([name]) => !SHOWS.has(name) && !TRANSFERS.has(name));
for (const [name, line] of [...changing, ...Object.entries(CHANGES)]) {
  test(`quiet: ${name} says nothing with -q where it succeeds`, async (t) => {
    const { repo } = await threeVersions(t);
    await line.prepare?.(repo);
    const { code, stdout, stderr } = await repo.dlv('-q', ...line.args);
    t.is(code, 0, stderr);
    t.is(stdout, name === 'run' ? 'step 1 loss=2\n' : '');
    const said = stderr.split('\n').filter((text) => text !== '' && !text.startsWith('warning: '));
    t.deepEqual(said, []);
  });
}

for (const [name, line] of Object.entries(LINES).filter(([name]) => SHOWS.has(name))) {
  // Their answers go to a program; the line of config sets something; diff says it by its exit code, as git's does.
  if (['ui', 'batch', 'config', 'diff'].includes(name)) continue;
  test(`quiet: ${name} shows what it was asked for with -q`, async (t) => {
    if (line.isOptional === true) {
      t.log(`SKIPPED: ${name} -q is NOT tested, a package that it needs is not installed`);
      t.pass();
      return;
    }
    const { repo } = await threeVersions(t);
    await line.prepare?.(repo);
    const { code, stdout, stderr } = await repo.dlv('-q', ...line.args);
    t.is(code, 0, stderr);
    t.true(stdout.length > 0);
  });
}
