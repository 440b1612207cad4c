/**
 * Every command that changes a repository, on the specimen: what crash replay, injected faults and
 * hostile repositories run.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ErrorCode } from '../../lib/base/errors.js';
import { SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { nudge, safetensors as packed, randomTensors } from '../helpers/safetensors.js';
import { must } from './cli.js';
import { checkpoint, safetensors as tensors } from './model-files.js';

/** A command and where it starts. */
export interface Verb {
  /** As a user would call it. */
  name: string;
  /** Its arguments, without --json. */
  argv: readonly string[];
  /** Brings the specimen to where the command starts. */
  prepare?: (dir: string) => Promise<unknown>;
  /** It starts in an empty folder. */
  isFirst?: true;
  /** The specimen is damaged when it starts: that is what it is for. */
  mends?: true;
  /** Answers that are right if the command had taken effect before it was interrupted. */
  landed?: readonly ErrorCode[];
  /** Exact bytes of a version of the specimen are given up: of the first if it is 0. */
  gives?: number;
}

/** Small packs are merged at once. */
const setting = (dir: string, text: string) =>
  fs.appendFile(new Layout(dir).config, `[gc]\nautoSets = ${text}\n`);

/** Removes an index and the manifest. */
async function damage(dir: string): Promise<void> {
  const layout = new Layout(dir);
  const [index] = (await fs.readdir(layout.packs)).filter((name) => name.endsWith('.idx')).sort();
  await fs.rm(path.join(layout.packs, index as string));
  await fs.rm(layout.manifest);
  await fs.truncate(layout.head, 10);
}

/** Two versions with tensors that have low planes of their own, pushed to a remote beside the folder. */
async function pushedLarge(dir: string): Promise<void> {
  await must(['reset', '--hard'], dir);
  const first = randomTensors({ 'a.weight': [96, 96], 'b.weight': [64, 96] }, 1);
  for (const [i, values] of [first, nudge(first, 1e-3, 2)].entries()) {
    await fs.writeFile(path.join(dir, 'large.safetensors'), packed(values));
    await must(['add', 'large.safetensors'], dir);
    await must(['commit', '-m', `large ${i}`], dir);
  }
  await must(['remote', 'add', 'origin', '../team.dlv'], dir);
  await must(['push', '--all', '--tags'], dir);
}

/** The same, with the low planes at the remote alone. */
async function detached(dir: string): Promise<void> {
  await pushedLarge(dir);
  await must(['detach', '--planes', '2', '--to', 'origin'], dir);
}

/**
 * Tensors of two segments each, of which the first is written before its tensor has an id: a new one, the same again, whose
 * segment is taken back, and another. They are long and take little room.
 */
async function longTensors(dir: string): Promise<void> {
  const count = SEGMENT_ELEMENTS + 1000;
  const tensor = (name: string, fill: number) => {
    return { name, dtype: 'I8', shape: [count], bytes: new Uint8Array(count).fill(fill) };
  };
  const file = tensors([tensor('a', 1), tensor('b', 1), tensor('c', 2)]);
  await fs.writeFile(path.join(dir, 'long.safetensors'), file);
}

/** A network whose weights are tensors with planes of their own, and literals. */
const CHAIN =
  'INPUT(1, 8, 8) -> CONV(units = 4) -> RELU -> FULL(units = 40) -> RELU -> FULL(units = 3)';

export const VERBS: readonly Verb[] = [
  { name: 'init', argv: ['init', '--model', 'm'], isFirst: true, landed: ['DLV_EXISTS'] },
  { name: 'add', argv: ['add', '.'] },
  { name: 'add of a long tensor', argv: ['add', 'long.safetensors'], prepare: longTensors },
  { name: 'commit', argv: ['commit', '-m', 'third'], landed: ['DLV_CONFLICT'] },
  {
    name: 'commit -a',
    argv: ['commit', '-a', '-m', 'third', '--log', 'notes.txt'],
    landed: ['DLV_CONFLICT'],
  },
  {
    name: 'commit that merges packs',
    argv: ['commit', '-m', 'third'],
    prepare: (dir) => setting(dir, '1'),
    landed: ['DLV_CONFLICT'],
  },
  { name: 'add --branch', argv: ['add', '--branch', 'm/topic', '.'] },
  {
    name: 'commit --branch',
    argv: ['commit', '--branch', 'm/topic', '-m', 'apart'],
    prepare: (dir) => must(['add', '--branch', 'm/topic', '.'], dir),
    landed: ['DLV_CONFLICT'],
  },
  {
    name: 'commit --from',
    argv: ['commit', '--from', 'apart', '-m', 'of a folder'],
    prepare: async (dir) => {
      await fs.mkdir(`${dir}/apart`);
      await fs.writeFile(`${dir}/apart/model.safetensors`, checkpoint(9, 9));
    },
    landed: ['DLV_CONFLICT'],
  },
  { name: 'commit --amend', argv: ['commit', '--amend', '-a', '-m', 'other'] },
  {
    name: 'commit of a new model',
    argv: ['commit', '--model', 'o', '-m', 'first'],
    prepare: async (dir) => {
      await fs.writeFile(path.join(dir, 'other.txt'), 'other\n');
      await must(['add', '--model', 'o', 'other.txt'], dir);
    },
    landed: ['DLV_CONFLICT'],
  },
  { name: 'tag', argv: ['tag', 'v3'], landed: ['DLV_EXISTS'] },
  { name: 'tag -d', argv: ['tag', '-d', 'first'], landed: ['DLV_NOT_FOUND'] },
  { name: 'tag -f', argv: ['tag', '-f', 'first', 'topic'] },
  { name: 'tag --exact', argv: ['tag', '--exact', 'kept'] },
  { name: 'branch', argv: ['branch', 'a/deep/name'], landed: ['DLV_EXISTS'] },
  { name: 'branch -m', argv: ['branch', '-m', 'trunk'], landed: ['DLV_EXISTS', 'DLV_NOT_FOUND'] },
  {
    name: 'branch -m of another',
    argv: ['branch', '-m', 'topic', 'a/deep/name'],
    landed: ['DLV_EXISTS', 'DLV_NOT_FOUND'],
  },
  { name: 'branch -d', argv: ['branch', '-d', 'topic'], landed: ['DLV_NOT_FOUND'] },
  {
    name: 'branch -D of where HEAD is',
    argv: ['branch', '-D', 'm/main'],
    landed: ['DLV_NOT_FOUND'],
  },
  {
    name: 'model rename',
    argv: ['model', 'rename', 'm', 'o'],
    landed: ['DLV_NOT_FOUND'],
  },
  {
    name: 'model delete',
    argv: ['model', 'delete', 'm', '--force'],
    landed: ['DLV_NOT_FOUND'],
  },
  {
    name: 'forget',
    argv: ['forget', '--force', 'm@2'],
    landed: ['DLV_CONFLICT', 'DLV_NOT_FOUND'],
  },
  {
    name: 'revert',
    argv: ['revert', 'm@3'],
    prepare: (dir) => must(['reset', '--hard'], dir),
    landed: ['DLV_CONFLICT'],
  },
  {
    name: 'merge',
    argv: ['merge', 'topic', '-X', 'theirs', '-m', 'joined'],
    prepare: async (dir) => {
      await must(['reset', '--hard'], dir);
      await must(['switch', 'topic'], dir);
      await fs.writeFile(path.join(dir, 'notes.txt'), 'of the topic\n');
      await must(['commit', '-a', '-m', 'topic'], dir);
      await must(['switch', 'main'], dir);
    },
  },
  {
    name: 'forget of the last version',
    argv: ['forget', '--force', 'm@3'],
    landed: ['DLV_CONFLICT', 'DLV_NOT_FOUND'],
  },
  {
    name: 'forget --path',
    argv: ['forget', '--force', '--path', 'notes.txt'],
    landed: ['DLV_NOT_FOUND'],
  },
  { name: 'switch -c', argv: ['switch', '-c', 'trial'], landed: ['DLV_EXISTS'] },
  {
    name: 'switch',
    argv: ['switch', 'topic'],
    prepare: (dir) => must(['reset', '--hard'], dir),
  },
  { name: 'switch to a model', argv: ['switch', 'n'] },
  { name: 'copy', argv: ['copy', 'HEAD', 'o'], landed: ['DLV_EXISTS'] },
  {
    name: 'copy --checkout',
    argv: ['copy', 'm@1', 'o', '--into', 'sub', '--checkout'],
    landed: ['DLV_EXISTS'],
  },
  { name: 'reset', argv: ['reset', 'topic'] },
  { name: 'reset --soft', argv: ['reset', '--soft', 'm@1'] },
  {
    name: 'reset of HEAD alone',
    argv: ['reset', 'm@1'],
    prepare: (dir) => must(['checkout', 'm@2', '--force'], dir),
  },
  { name: 'reset --hard', argv: ['reset', '--hard', 'm@1'] },
  { name: 'rm', argv: ['rm', '-f', 'notes.txt'], landed: ['DLV_NOT_FOUND'] },
  {
    name: 'revert --no-commit',
    argv: ['revert', '--no-commit', 'm@3'],
    prepare: (dir) => must(['reset', '--hard'], dir),
    landed: ['DLV_CONFLICT'],
  },
  { name: 'stash', argv: ['stash'], landed: ['DLV_CONFLICT'] },
  {
    name: 'stash of a removal and a new file',
    argv: ['stash', '-u'],
    prepare: async (dir) => {
      await must(['rm', '-f', 'notes.txt'], dir);
      await fs.writeFile(path.join(dir, 'new.txt'), 'new\n');
    },
    landed: ['DLV_CONFLICT'],
  },
  {
    name: 'stash pop',
    argv: ['stash', 'pop'],
    prepare: (dir) => must(['stash'], dir),
    landed: ['DLV_NOT_FOUND'],
  },
  {
    name: 'stash apply',
    argv: ['stash', 'apply'],
    prepare: (dir) => must(['stash'], dir),
  },
  {
    name: 'stash drop',
    argv: ['stash', 'drop'],
    prepare: (dir) => must(['stash'], dir),
    landed: ['DLV_NOT_FOUND'],
  },
  {
    name: 'keep',
    argv: ['keep', '--last', '1', '--force'],
    prepare: async (dir) => {
      for (const step of [1, 2, 3]) {
        await fs.mkdir(path.join(dir, `checkpoint-${step}`));
        await fs.writeFile(
          path.join(dir, `checkpoint-${step}`, 'a.safetensors'),
          checkpoint(5, step),
        );
      }
      await must(['add', 'checkpoint-1', 'checkpoint-2', 'checkpoint-3'], dir);
    },
  },
  {
    name: 'keep --versions',
    argv: ['keep', '--versions', 'last 1'],
    gives: 0,
    prepare: (dir) => must(['tag', '-d', 'first'], dir),
  },
  {
    name: 'keep --recall',
    argv: ['keep', '--recall', 'm@1'],
    gives: 0,
    prepare: async (dir) => {
      await must(['tag', '-d', 'first'], dir);
      await must(['keep', '--versions', 'last 1'], dir);
    },
    landed: ['DLV_CONFLICT'],
  },
  {
    name: 'mv',
    argv: ['mv', 'model.safetensors', 'sub/base.safetensors'],
    landed: ['DLV_NOT_FOUND'],
  },
  {
    name: 'mv of a folder',
    argv: ['mv', 'deep', 'sub'],
    prepare: async (dir) => {
      await fs.mkdir(path.join(dir, 'deep', 'er'), { recursive: true });
      for (const name of ['a.txt', 'er/b.txt', 'er/c.txt']) {
        await fs.writeFile(path.join(dir, 'deep', name), `${name}\n`);
      }
      await must(['add', 'deep'], dir);
    },
    landed: ['DLV_NOT_FOUND'],
  },
  { name: 'restore', argv: ['restore', '.'] },
  { name: 'restore --staged', argv: ['restore', '--staged', '.'] },
  { name: 'restore --source', argv: ['restore', '--source', 'm@1', '.'] },
  { name: 'checkout', argv: ['checkout', 'm@1', '--force'] },
  { name: 'checkout --out', argv: ['checkout', 'HEAD', '--out', 'out', '--force'] },
  { name: 'archive', argv: ['archive', '--yes', '--budget', 'none', '--all'] },
  {
    name: 'archive --tier',
    argv: ['archive', '--tier', 'bf16', 'm@1', '--yes'],
    gives: 0,
    prepare: (dir) => must(['tag', '-d', 'first'], dir),
  },
  {
    name: 'gc',
    argv: ['gc'],
    prepare: async (dir) => {
      await must(['archive', '--yes', '--budget', '1'], dir);
      await setting(dir, '1');
    },
  },
  {
    name: 'gc --prune=now',
    argv: ['gc', '--prune=now'],
    prepare: async (dir) => {
      await must(['reset', '--hard'], dir);
      await setting(dir, '1');
    },
  },
  { name: 'export', argv: ['export', '--all', '-o', 'all.dlv'] },
  {
    name: 'import of a bundle',
    argv: ['import', 'topic.dlv'],
    prepare: async (dir) => {
      await must(['reset', '--hard'], dir);
      await must(['switch', 'topic'], dir);
      await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint(5, 7));
      await must(['commit', '-a', '-m', 'topic'], dir);
      await must(['export', 'topic', '--since', 'm@2', '-o', 'topic.dlv'], dir);
      await must(['switch', 'main'], dir);
      await must(['branch', '-D', 'topic'], dir);
      await must(['gc', '--prune=now'], dir);
    },
  },
  { name: 'construct', argv: ['query', `construct net as ${CHAIN}`] },
  {
    name: 'construct of another network',
    argv: ['query', 'construct deeper from m where m.model = "net" mutate m["fc1"].insert = RELU'],
    prepare: (dir) => must(['query', `construct net as ${CHAIN}`], dir),
  },
  {
    name: 'slice',
    argv: [
      'query',
      'slice part from m where m.model = "net" mutate part.input = m["conv1"] and part.output = m["fc1"]',
    ],
    prepare: (dir) => must(['query', `construct net as ${CHAIN}`], dir),
  },
  { name: 'detach', argv: ['detach', '--planes', '2', '--to', 'origin'], prepare: pushedLarge },
  {
    // Packs of which low planes are at a remote are written again, without what nothing needs.
    name: 'gc of a detached repository',
    argv: ['gc', '--prune=now'],
    prepare: async (dir) => {
      await detached(dir);
      await must(['forget', '--force', 'HEAD'], dir);
      await must(['push', '--force', 'origin', 'main'], dir);
    },
  },
  { name: 'fetch --planes all', argv: ['fetch', '--planes', 'all'], prepare: detached },
  { name: 'fsck --rebuild', argv: ['fsck', '--rebuild'], prepare: damage, mends: true },
  { name: 'config', argv: ['config', 'gc.graceDays', '7'] },
  {
    name: 'config --unset',
    argv: ['config', '--unset', 'gc.autoSets'],
    prepare: (dir) => setting(dir, '9'),
    landed: ['DLV_NOT_FOUND'],
  },
];

/**
 * The commands that the searches try: all, or with `DLV_TRUST_VERBS=stash,mv` those whose names begin
 * with one of these.
 */
export function chosenVerbs(): readonly Verb[] {
  const names = process.env.DLV_TRUST_VERBS?.split(',') ?? [''];
  return VERBS.filter(({ name }) => names.some((one) => name.startsWith(one)));
}

/** The command of a name. */
export function verbOf(name: string): Verb {
  const found = VERBS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no command '${name}'`);
  return found;
}
