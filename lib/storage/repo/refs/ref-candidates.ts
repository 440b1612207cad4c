/**
 * Which refs a name may stand for:
 *
 *     tag | branch of HEAD's model | model | model '/' branch
 *     | remote '/' branch of HEAD's model | remote '/' model | remote '/' model '/' branch
 *     | any of these after 'tags/', 'heads/' or 'remotes/' | a full name
 *
 * A branch without its model is one of HEAD's model, at a remote as here.
 */
import { pushAll } from '../../../base/bytes/many.js';
import type { Layout } from '../layout.js';
import { readHead } from './head.js';
import {
  branchRefName,
  modelNameProblem,
  parseRefName,
  refNameProblem,
  remoteRefName,
} from './ref-name.js';
import { listRefNames } from './refs.js';

/** What says which branch of a model is meant. */
export interface BranchSource {
  readonly layout: Layout;
  /** Branch that the files of `model` belong to, or null if none is known (staging says). */
  branchOf(model: string): Promise<string | null>;
}

/**
 * The branch that the bare name of a model means: HEAD's if it is HEAD's model, else the one its
 * files belong to, else 'main', else its only one; null if there is none such.
 */
export async function currentBranch(source: BranchSource, model: string): Promise<string | null> {
  const { layout } = source;
  const head = await readHead(layout);
  if (head.kind === 'branch' && head.model === model) return head.branch;
  const names = await listRefNames(layout, `refs/heads/${model}`);
  const branches = names.map((name) => name.slice(`refs/heads/${model}/`.length));
  const staged = await source.branchOf(model);
  if (staged !== null && branches.includes(staged)) return staged;
  if (branches.includes('main')) return 'main';
  return branches.length === 1 ? (branches[0] as string) : null;
}

/** Full names of the refs that `name` may stand for; most are not there. */
export async function refCandidates(source: BranchSource, name: string): Promise<string[]> {
  if (refNameProblem(name) !== null) return [];
  const head = await readHead(source.layout);
  const [, kind, rest = ''] = /^(?:refs\/)?(heads|tags|remotes)\/(.+)$/s.exec(name) ?? [];
  const names: string[] = [];
  if (kind !== undefined) names.push(`refs/${kind}/${rest}`);
  if (kind === 'heads') names.push(branchRefName(head.model, rest));
  if (kind === 'remotes') pushAll(names, await remoteCandidates(source.layout, rest, head.model));
  if (name.startsWith('refs/')) {
    if (kind === undefined) names.push(name);
  } else {
    names.push(`refs/tags/${name}`, branchRefName(head.model, name), `refs/heads/${name}`);
    pushAll(names, await remoteCandidates(source.layout, name, head.model));
    if (modelNameProblem(name) === null) {
      const branch = await currentBranch(source, name);
      if (branch !== null) names.push(branchRefName(name, branch));
    }
  }
  return [...new Set(names)].filter((candidate) => parseRefName(candidate) !== null);
}

/**
 * Full names of the branches of remotes that `remote/model/branch`, `remote/branch` (of `model`) or
 * `remote/model` may stand for.
 */
export async function remoteCandidates(
  layout: Layout,
  name: string,
  model: string,
): Promise<string[]> {
  const at = name.indexOf('/');
  if (at < 0) return [];
  const [remote, rest] = [name.slice(0, at), name.slice(at + 1)];
  const names = [`refs/remotes/${name}`, remoteRefName(remote, model, rest)];
  // Only the folder of a model may be listed; a name of two parts below it is that of a file.
  const branch = rest.includes('/') ? null : await onlyBranch(layout, `refs/remotes/${name}`);
  if (branch !== null) names.push(`refs/remotes/${name}/${branch}`);
  return names.filter((candidate) => parseRefName(candidate) !== null);
}

/** `main` if it is below a folder of refs, else the only name there; null if there is none such. */
async function onlyBranch(layout: Layout, folder: string): Promise<string | null> {
  if (refNameProblem(folder) !== null) return null;
  const names = await listRefNames(layout, folder);
  const branches = names.map((name) => name.slice(`${folder}/`.length));
  if (branches.includes('main')) return 'main';
  return branches.length === 1 ? (branches[0] as string) : null;
}
