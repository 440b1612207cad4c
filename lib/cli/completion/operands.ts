/** What the operands of each command name, and the values of its flags. */
import type { NamesWanted } from '../../use/ops/names.js';
import { ACTIONS as MODEL_ACTIONS } from '../commands/model.js';
import { OPERANDS as REMOTE_ACTIONS } from '../commands/remote.js';
import { ACTIONS as RUN_ACTIONS } from '../commands/run.js';
import { ACTIONS as STASH_ACTIONS } from '../commands/stash.js';

/** Names that a command line may mean: those of a repository, or of its settings. */
export type NameKind = NamesWanted | 'setting';

/** A kind of names, or the words themselves. */
export type Wanted = NameKind | readonly string[];

/** What stands before the word, behind the command. */
export interface Before {
  operands: readonly string[];
  /** Flags, as `--help` writes them at length: '--delete'. */
  flags: ReadonlySet<string>;
}

type Rule = (before: Before) => Wanted | null;

/** The kinds of the first operands, in order; of the last one as many as there are. */
const each =
  (...kinds: (Wanted | null)[]): Rule =>
  ({ operands }) =>
    kinds[Math.min(operands.length, kinds.length - 1)] ?? null;

const revisions = each('revision');

/** The first operand is an action; what follows it, by action. */
function actions(names: Iterable<string>, behind: Record<string, Wanted>): Rule {
  return ({ operands }) => {
    const [action, ...more] = operands;
    if (action === undefined) return [...new Set(names)];
    return more.length === 0 && Object.hasOwn(behind, action) ? (behind[action] as Wanted) : null;
  };
}

const OLD_BRANCH = ['--delete', '--force-delete', '--move', '--copy', '--list'];
const FOLLOWING = ['--set-upstream-to', '--unset-upstream'];

const BRANCH: Rule = ({ operands, flags }) => {
  const isOld = [...OLD_BRANCH, ...FOLLOWING].some((flag) => flags.has(flag));
  if (operands.length === 0) return isOld ? 'branch' : null;
  return operands.length === 1 && !isOld ? 'revision' : null;
};

const SWITCH: Rule = ({ operands, flags }) => {
  const isNew = flags.has('--create');
  if (operands.length > 0) return isNew && operands.length === 1 ? 'revision' : null;
  if (isNew) return null;
  return flags.has('--track') ? 'remote branch' : 'goal';
};

const TAG: Rule = ({ operands, flags }) => {
  if (flags.has('--delete')) return 'tag';
  if (operands.length > 0) return operands.length === 1 ? 'revision' : null;
  return flags.has('--force') || flags.has('--list') ? 'tag' : null;
};

/** Of the commands whose operands are names; those of all others are paths, or words that are new. */
const RULES: Readonly<Record<string, Rule>> = {
  archive: revisions,
  bench: revisions,
  branch: BRANCH,
  cat: each('revision', null),
  checkout: each('revision', null),
  config: each('setting', null),
  copy: each('revision', null),
  desc: each('revision', null),
  diff: revisions,
  du: revisions,
  eval: revisions,
  export: revisions,
  fetch: each('remote', 'branch or tag'),
  forget: revisions,
  list: revisions,
  log: revisions,
  merge: revisions,
  model: actions(Object.values(MODEL_ACTIONS), { rename: 'model', delete: 'model' }),
  pull: each('remote', 'branch', null),
  push: each('remote', 'branch or tag'),
  reflog: each('revision', null),
  remote: actions(Object.keys(REMOTE_ACTIONS), {
    remove: 'remote',
    rename: 'remote',
    'set-url': 'remote',
    'get-url': 'remote',
    show: 'remote',
  }),
  reset: each('revision', null),
  revert: each('revision', null),
  run: actions(RUN_ACTIONS, { show: 'run', log: 'run', logs: 'run' }),
  show: each('revision', null),
  stash: actions(STASH_ACTIONS, { show: 'stash', pop: 'stash', apply: 'stash', drop: 'stash' }),
  switch: SWITCH,
  tag: TAG,
};

/** What the next operand of a command names; null if it is a path, or new. */
export function operandOf(verb: string, before: Before): Wanted | null {
  return Object.hasOwn(RULES, verb) ? (RULES[verb] as Rule)(before) : null;
}

/** Values of flags, by the word that `--help` shows for them. */
const VALUES: Readonly<Record<string, NameKind>> = {
  rev: 'revision',
  place: 'revision',
  branch: 'branch',
  'model/branch': 'branch',
  remote: 'remote',
  run: 'run',
};

/** Of flags whose word is one that others share. */
const FLAGS: Readonly<Record<string, NameKind>> = {
  '--model': 'model',
  '--remote': 'remote',
  '--named': 'query',
  'branch --set-upstream-to': 'remote branch',
  'commit --branch': 'branch',
  'query --delete': 'query',
  'run --branch': 'branch',
};

/** What the value of a flag names. @param word  as `--help` shows it: 'rev' of `--base <rev>`. */
export function flagValueOf(verb: string, flag: string, word: string): NameKind | null {
  return FLAGS[`${verb} ${flag}`] ?? FLAGS[flag] ?? VALUES[word] ?? null;
}
