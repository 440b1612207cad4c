/** Command lines for tests that try every command. */
import fs from 'node:fs/promises';
import { hasRuntime, linearNetwork } from './linear-network.js';
import { fixture } from './paths.js';
import type { TestRepository } from './repository.js';

/** A command line whose document is rich; `prepare` makes it so. */
export interface Line {
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

/** One for each command, in a repository of three versions. */
export const LINES: Record<string, Line> = {
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
