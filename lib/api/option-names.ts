/**
 * The options that each method takes, so that a misspelt one is refused also where no compiler looks.
 *
 * test/unit/api/option-names.test.ts holds the table to the types of the methods, in both directions.
 */
import { suggestNames } from '../base/bytes/words/closest.js';
import { UsageError } from '../base/errors.js';

/** Methods and functions that take options. */
export type Method = keyof typeof OPTION_NAMES;

/** Options of every call. */
const OF_EVERY_CALL = ['signal', 'progress', 'onWarning'];

export const OPTION_NAMES = {
  add: 'all approximate branch dryRun follow force level model rehash step trackedOnly',
  rm: 'cached force model recursive',
  keep: 'best better by cached dryRun force last model paths state',
  keepVersions: 'dryRun model rules',
  recallVersions: 'from jobs limitRate',
  keepRemote: 'dryRun jobs limitRate model rules',
  recallRemote: 'jobs limitRate',
  mv: 'dryRun force model',
  restore: 'branch model replaceLinks source staged worktree',
  commit:
    'all allowEmpty allowRemovals amend author branch data date environment from heldOf keepOthers level logs message metrics model operation params parents step',
  checkout: 'acceptTier force out paths planes',
  switch: 'create start track',
  reset: 'mode paths revision',
  construct: 'branch dryRun model',
  study: 'dryRun executor model onPlan onProgress onTrial workers',
  copy: 'acceptTier checkout empty into message',
  branch: 'model start',
  renameBranch: 'model',
  deleteBranch: 'force model',
  renameModel: 'dryRun',
  deleteModel: 'dryRun force',
  detach: 'dryRun jobs limitRate planes to',
  push: 'all delete dryRun force forceWithLease jobs limitRate prune refs remote setUpstream tags tombstones',
  fetch:
    'all branches depth dryRun force forgotten jobs limitRate only planes prune remote tags tombstones',
  pull: 'branch forgotten jobs limitRate prune remote',
  addRemote: '',
  removeRemote: '',
  stash: 'message untracked',
  applyStash: 'drop',
  dropStash: '',
  revert: 'dryRun mainline message noCommit',
  merge: 'adapter choices combine dryRun fastForward message noCommit',
  exportVersions: 'all dryRun force out revisions since tags',
  importBundle: 'dryRun forgotten',
  importHistory: 'dryRun kind model only',
  forget: 'dryRun force paths revisions',
  tag: 'exact force message revision',
  deleteTag: '',
  evaluate:
    'acceptTier batch classes data labels limit maxTokens metrics module network oneText optimization output preprocess preprocessFile record rerun scores seed startToken stride task threads timed tokenizer weights',
  evaluateProgressively:
    'acceptTier batch check classes data decide effort goal guarantee labels limit margin maxTokens module network oneText output preprocess preprocessFile startToken stride threads tokenizer',
  archive:
    'all budgets confirmGrowth dryRun level measure noPrefix planner revisions scheme timeLimit unit weighReads',
  tier: 'confirm dryRun tier',
  gc: 'dryRun pruneNow',
  gcRemote: 'dryRun jobs limitRate pruneNow',
  fsck: 'files rebuild repair',
  setConfig: 'user',
  status: 'ignored paths rehash untracked',
  log: 'all author changes curves firstParent grep maxCount merges model paths reverse revisions since skip topological until',
  reflog: 'deleted maxCount ref',
  show: '',
  desc: 'batch exact nodes shapes statistics',
  showFile: '',
  diff: 'all baseline exact filesOnly model onlyChanged paths rank revisions sort staged',
  compare: 'all baseline exact filesOnly model onlyChanged paths rank revisions sort staged',
  list: 'last message model sort',
  versions: 'baseline columns curves group last model onlyChanged revisions sort where',
  query: '',
  du: 'model paths revisions versions',
  branches: 'all contains current model patterns remotes',
  tags: 'contains patterns',
  tensors: 'path',
  readTensor: 'acceptTier path planes',
  load: 'acceptTier bits names path role',
  loadEach: 'acceptTier bits names path role',
  stream: 'acceptTier',
  open: '',
  init: 'branch model',
  clone: 'branch depth jobs limitRate model noCheckout only origin planes singleBranch',
} as const;

/** @throws {UsageError} for an option that a method does not take: it would do nothing, without a word. */
export function checkOptionNames(method: Method, options: object): void {
  const known = [...OPTION_NAMES[method].split(' ').filter(Boolean), ...OF_EVERY_CALL];
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const { candidates, hint } = suggestNames(name, known, `it takes ${known.join(', ')}`);
    throw new UsageError(`${method}() has no option '${name}'`, { option: name, candidates, hint });
  }
}
