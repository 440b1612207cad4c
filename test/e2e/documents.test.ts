/**
 * The JSON documents: what each command prints has the members and types of its documented example,
 * and docs/cli.md says what the commands say.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { declaredCommands, renderDocs } from '../../lib/cli/docs.js';
import { withWarnings } from '../../lib/cli/run.js';
import { hasRuntime, linearNetwork } from '../helpers/linear-network.js';
import { fixture, PROJECT_ROOT } from '../helpers/paths.js';
import { type TestRepository, threeVersions } from '../helpers/repository.js';

/** Members whose keys are data: only the types of their values are compared. */
const MAPS = new Set(
  'metrics metricSteps params environment data opsets uncounted sizes values'.split(' '),
);

/**
 * How `actual` differs from `example` in shape. null fits anything, since an example cannot show both;
 * elements of lists are compared with the first of the example.
 */
function differences(example: unknown, actual: unknown, at: string): string[] {
  if (example === null || actual === null) return [];
  if (Array.isArray(example) || Array.isArray(actual)) {
    if (!Array.isArray(example) || !Array.isArray(actual)) return [`${at}: one is not a list`];
    if (example.length === 0) return [];
    return actual.flatMap((item, i) => differences(example[0], item, `${at}[${i}]`));
  }
  if (typeof example !== typeof actual) return [`${at}: ${typeof actual}, not ${typeof example}`];
  if (typeof example !== 'object') return [];
  const a = example as Record<string, unknown>;
  const b = actual as Record<string, unknown>;
  const found: string[] = [];
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (!(key in a)) found.push(`${at}.${key} is not documented`);
    else if (!(key in b)) found.push(`${at}.${key} is missing`);
    else if (!MAPS.has(key)) found.push(...differences(a[key], b[key], `${at}.${key}`));
  }
  return found;
}

test('differences: are found', (t) => {
  t.deepEqual(differences({ a: 1, b: [{ c: '' }] }, { a: 2, b: [{ c: 'x' }, { c: '' }] }, ''), []);
  t.is(differences({ a: 1 }, { a: '1' }, '').length, 1);
  t.is(differences({ a: 1 }, { b: 1 }, '').length, 2);
  t.is(differences([{ a: 1 }], [{ a: 1 }, {}], '').length, 1);
});

/** A command line whose document is rich; `prepare` makes it so. */
interface Line {
  args: string[];
  prepare?: (repo: TestRepository) => Promise<void>;
  /** How many warnings its document has; default 0. */
  warnings?: number;
  /** True where an optional package that it needs is not installed. */
  isOptional?: boolean;
}

async function addRemote(repo: TestRepository): Promise<void> {
  await repo.json('remote', 'add', 'origin', 'team.dlv');
}

async function push(repo: TestRepository): Promise<void> {
  await addRemote(repo);
  await repo.json('push');
}

const LINES: Record<string, Line> = {
  // It lies inside another repository, which is said.
  init: { args: ['init', 'sub'], warnings: 1 },
  add: { args: ['add', '.'], prepare: (repo) => repo.write('note.txt', 'x') },
  rm: { args: ['rm', 'note.txt'] },
  keep: {
    args: ['keep', '--last', '1', '--dry-run'],
    prepare: async (repo) => {
      for (const step of [1, 2]) await repo.write(`step_${step}.bin`, `${step}`);
      await repo.json('add', 'step_1.bin', 'step_2.bin');
    },
  },
  status: {
    args: ['status'],
    prepare: async (repo) => {
      await repo.write('note.txt', 'x');
      await repo.json('add', '.');
      await repo.write('note.txt', 'y');
      await repo.write('new.txt', 'z');
    },
  },
  restore: { args: ['restore', '.'], prepare: (repo) => repo.remove('note.txt') },
  commit: {
    args: ['commit', '--all', '-m', 'more', '--metric', 'loss=1'],
    prepare: (repo) => repo.write('note.txt', 'x'),
  },
  run: {
    args: [
      ...['run', '--param', 'lr=1', '--', process.execPath, '-e'],
      "require('fs').writeFileSync('step_1.npz', 'x'); console.log('step 1 loss=2')",
    ],
  },
  list: { args: ['list'] },
  log: {
    args: ['log', '--all'],
    prepare: async (repo) => void (await repo.json('copy', 'net', 'x')),
  },
  show: { args: ['show'] },
  query: { args: ['query', 'select m where m.files > 0'] },
  desc: {
    args: ['desc'],
    prepare: async (repo) => {
      await repo.write('lenet.onnx', await fs.readFile(fixture('networks', 'fashion-lenet.onnx')));
      await repo.json('add', 'lenet.onnx');
      await repo.json('commit', '-m', 'a network');
    },
  },
  eval: {
    args: [
      'eval',
      'net@4',
      'net@5',
      '--data',
      't.csv',
      '--labels',
      't.csv#y',
      '--metric',
      'accuracy',
    ],
    isOptional: !hasRuntime(),
    prepare: async (repo) => {
      await repo.write('t.csv', 'a,b,y\n1,0,0\n0,1,1\n1,1,1\n');
      for (const bias of [0, 1]) {
        const weights = [
          [1, 0],
          [0, 1],
        ];
        await repo.write('line.onnx', linearNetwork({ weights, bias: [0, bias] }));
        await repo.json('add', 'line.onnx');
        await repo.json('commit', '-m', 'a network');
      }
    },
  },
  ui: { args: ['ui', '--idle-exit', '0.1'] },
  reflog: { args: ['reflog'] },
  diff: { args: ['diff', 'net@1', 'net@3'] },
  cat: { args: ['cat', 'HEAD:model.safetensors#fc.bias'] },
  checkout: { args: ['checkout', 'net@1'] },
  switch: { args: ['switch', '-c', 'side', 'net@1'] },
  branch: { args: ['branch'] },
  tag: { args: ['tag'], prepare: async (repo) => void (await repo.json('tag', 'v1')) },
  reset: { args: ['reset', '--hard', 'net@1'] },
  copy: { args: ['copy', 'net', 'x', '--checkout'] },
  du: { args: ['du', '--versions', '--paths'] },
  config: {
    args: ['config', '--user', 'user.name', 'Ada'],
    prepare: async (repo) => {
      repo.hasUserSettings = true;
    },
  },
  bench: { args: ['bench', '--repeat', '1', '--budgets', '2'] },
  archive: { args: ['archive', '--yes', '--budget', '1.5'] },
  gc: { args: ['gc'] },
  stash: { args: ['stash'], prepare: (repo) => repo.write('note.txt', 'x') },
  mv: { args: ['mv', 'model.safetensors', 'base.safetensors'] },
  forget: { args: ['forget', 'net@2'] },
  revert: { args: ['revert', 'HEAD'] },
  merge: {
    args: ['merge', 'side', '--theirs', '**'],
    prepare: async (repo) => {
      await repo.json('switch', '-c', 'side', 'net@1');
      const file = await repo.read('model.safetensors');
      file[file.length - 1]! ^= 1;
      await repo.write('model.safetensors', file);
      await repo.commit('side');
      await repo.json('switch', 'main');
    },
  },
  model: { args: ['model'] },
  remote: { args: ['remote'], prepare: addRemote },
  push: { args: ['push', '-u'], prepare: addRemote },
  fetch: { args: ['fetch'], prepare: push },
  pull: { args: ['pull'], prepare: push },
  clone: { args: ['clone', 'team.dlv', 'copy'], prepare: push },
  detach: { args: ['detach', '--planes', '2'], prepare: push },
  fsck: { args: ['fsck'] },
  import: {
    args: ['import', 'run'],
    // No file of the run is weights.
    warnings: 1,
    prepare: async (repo) => {
      await repo.write('run/step_1/a.txt', '1');
      await repo.write('run/step_2/a.txt', '2');
    },
  },
  batch: { args: ['batch'] },
  export: {
    args: ['export', 'net@1..net', '-o', 'net.dlv'],
    prepare: async (repo) => void (await repo.json('tag', 'v1')),
  },
  completion: { args: ['completion', 'bash'] },
};

test('documents: every command documents one and is tried', async (t) => {
  const declared = await declaredCommands();
  t.deepEqual(
    declared.filter(({ help }) => help.json === undefined).map(({ name }) => name),
    [],
  );
  for (const { name } of declared) t.truthy(LINES[name], `no line for ${name}`);
});

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

/** Warnings of a document, but for what bench cannot do where the test's files are in memory. */
function warningsOf(document: unknown): string[] {
  const { warnings } = document as { warnings: string[] };
  return warnings.filter((warning) => !warning.startsWith('cold reads were not measured'));
}

for (const [name, line] of Object.entries(LINES)) {
  test(`documents: ${name} prints what it documents`, async (t) => {
    if (line.isOptional === true) {
      t.log(
        `SKIPPED: the document of ${name} is NOT tested, a package that it needs is not installed`,
      );
      t.pass();
      return;
    }
    const declared = await declaredCommands();
    const { repo } = await threeVersions(t);
    await line.prepare?.(repo);
    const document = await repo.json<unknown>(...line.args);
    const example = declared.find((command) => command.name === name)?.help.json as object;
    t.deepEqual(differences(withWarnings(example, []), document, name), []);
    if (Array.isArray(document)) t.true(document.length > 0);
    else t.is(warningsOf(document).length, line.warnings ?? 0);
  });
}

test('documents: what a command warns of is in its document, and on stderr', async (t) => {
  const { repo } = await threeVersions(t);
  const map = { weight_map: { a: 'part-1.safetensors' } };
  await repo.write('big.safetensors.index.json', JSON.stringify(map));
  await fs.symlink('note.txt', repo.file('link.txt'));
  const warned: [string[], ...RegExp[]][] = [
    [['status'], /link\.txt/],
    [['add', '.'], /link\.txt/, /part-1\.safetensors/],
    [['commit', '-m', 'an index without its part'], /part-1\.safetensors/],
  ];
  for (const [args, ...about] of warned) {
    const { stdout, stderr } = await repo.dlv('--json', '--no-progress', ...args);
    const { warnings } = JSON.parse(stdout) as { warnings: string[] };
    t.is(warnings.length, about.length, args.join(' '));
    for (const [i, warning] of warnings.entries()) t.regex(warning, about[i] as RegExp);
    const lines = stderr.trimEnd().split('\n');
    t.deepEqual(
      lines.map((text) => JSON.parse(text) as unknown),
      warnings.map((warning) => ({ warning })),
    );
  }
});

test('docs/cli.md says what the commands say', async (t) => {
  const file = path.join(PROJECT_ROOT, 'docs', 'cli.md');
  if (process.env.UPDATE_GOLDEN === '1') await fs.writeFile(file, await renderDocs());
  t.is(await fs.readFile(file, 'utf8'), await renderDocs());
});
