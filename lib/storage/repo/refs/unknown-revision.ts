/** What is said of a revision that names nothing. */
import { suggestNames } from '../../../base/bytes/words/closest.js';
import { listSome, shellWord } from '../../../base/bytes/words/wording.js';
import { NotFoundError } from '../../../base/errors.js';
import type { Layout } from '../layout.js';
import { readRemotes } from '../remotes.js';
import { readHead } from './head.js';
import { parseRefName } from './ref-name.js';
import { listRefNames } from './refs.js';

/** Names that git keeps beside HEAD, and what says the same here. */
const GIT_HEADS: Readonly<Record<string, string>> = {
  FETCH_HEAD: "a fetch notes the branches of a remote, as origin/main: 'dlv branch -r' lists them",
  ORIG_HEAD: "HEAD@{1} is where HEAD was before: 'dlv reflog' lists its moves",
  MERGE_HEAD:
    'a merge that meets a conflict changes nothing: name the version itself, as origin/main',
};

function notFound(message: string, name: string, data: Record<string, unknown>): NotFoundError {
  return new NotFoundError(message, { kind: 'revision', name, ...data });
}

/** The error for a name that stands for no version, with what may be meant. */
export async function unknownRevision(
  { layout }: { readonly layout: Layout },
  name: string,
): Promise<NotFoundError> {
  const names = new Set<string>(['HEAD']);
  const branches: string[] = [];
  const { model } = await readHead(layout);
  const { urls } = await readRemotes(layout);
  const remote = name.replace(/^(refs\/)?remotes\//, '').split('/')[0] as string;
  const seen: string[] = [];
  /** The branches of that name at remotes. */
  const there: string[] = [];
  for (const ref of await listRefNames(layout)) {
    const place = parseRefName(ref);
    if (place?.kind === 'tag') names.add(place.tag);
    if (place?.kind === 'head') {
      if (place.model === name) branches.push(`${name}/${place.branch}`);
      names.add(place.model).add(`${place.model}/${place.branch}`);
      if (place.model === model) names.add(place.branch);
    }
    if (place?.kind === 'remote') {
      const own = place.rest.startsWith(`${model}/`) ? place.rest.slice(model.length + 1) : null;
      if (own !== null) names.add(`${place.remote}/${own}`);
      names.add(`${place.remote}/${place.rest}`);
      if (place.remote === remote) seen.push(`${remote}/${own ?? place.rest}`);
      if (own === name || place.rest === name) there.push(`${place.remote}/${name}`);
    }
  }
  if (branches.length > 0) {
    return notFound(`the model '${name}' has no branch 'main', and several others`, name, {
      candidates: branches,
      hint: `name one: ${listSome(branches)}; or a version, as ${name}@1`,
    });
  }
  if (urls.has(remote)) return notAtRemote(name, remote, { seen, names });
  const hint = Object.hasOwn(GIT_HEADS, name) ? GIT_HEADS[name] : undefined;
  if (hint !== undefined) return notFound(`dlv keeps no ${name}`, name, { candidates: [], hint });
  const fileHint = asFileOf(name);
  if (fileHint !== null) {
    return notFound(`there is no version '${name}'`, name, { candidates: [], hint: fileHint });
  }
  const [first] = there;
  if (first !== undefined) {
    return notFound(`there is no branch '${name}' here; ${listSome(there)} has it`, name, {
      candidates: there,
      hint: `'dlv switch -t ${first}' makes one that follows it; ${first} names its version`,
    });
  }
  const remedy = "'dlv log' and 'dlv branch' show what there is";
  return notFound(`there is no version, branch, tag or model '${name}'`, name, {
    ...suggestNames(name, names, remedy),
  });
}

/** What does here what git does with `rev:path`; null for other names. */
function asFileOf(name: string): string | null {
  const [, rev, file] = /^([^:]+):([^:]+)$/s.exec(name) ?? [];
  if (rev === undefined || file === undefined) return null;
  return (
    `'dlv cat ${shellWord(name)}' prints a file of a version, ` +
    `'dlv checkout ${shellWord(rev)} -- ${shellWord(file)}' writes it`
  );
}

/** The error for a name that begins with that of a remote. */
function notAtRemote(
  name: string,
  remote: string,
  { seen, names }: { seen: readonly string[]; names: Iterable<string> },
): NotFoundError {
  const look = `'dlv fetch ${remote}' looks there`;
  const listed = seen.length === 0 ? look : `it has ${listSome(seen)}; ${look} again`;
  if (name === remote || name.endsWith(`${remote}/HEAD`)) {
    return notFound(`'${name}' names no version: name a branch of the remote`, name, {
      candidates: seen,
      hint: seen.length === 0 ? look : `one of ${listSome(seen)}`,
    });
  }
  // A number never depends on HEAD, and a branch without its model does.
  const { candidates, hint } = /@\d+$/.test(name)
    ? { candidates: [], hint: `a number needs the model, as ${remote}/<model>/<branch>@2` }
    : suggestNames(name, names, listed);
  return notFound(`there is no version '${name}', and no such branch was seen`, name, {
    candidates,
    hint,
  });
}

/** The remedy for what is not a revision. */
export function howToWrite(text: string): string {
  const [, only] = /^(.+)\^!$/s.exec(text) ?? [];
  if (only !== undefined) return `'dlv show -p ${shellWord(only)}' shows what a version changed`;
  return /@\{[^}]*\D[^}]*\}/.test(text)
    ? "a move is named by its number, as in HEAD@{1}: 'dlv reflog' lists moves and their times"
    : 'write a version id, branch, tag, model, model@n, model/branch@n or HEAD, then ~n or ^n';
}
