/**
 * Revisions: what people type for a version.
 *
 *     revision = base [ '@{u}' ] [ '@{' n '}' ] { '~' [n] | '^' [n] }
 *     base     = HEAD | '@' | name of a ref (see ref-candidates.ts)
 *              | model '@' n | model '/' branch '@' n | remote '/' [ model '/' ] branch '@' n
 *              | version id, full or from 4 hex digits
 *
 * '@{u}' is the branch of a remote that a branch follows, '@{n}' what a ref named n moves ago. Two names of different versions are ambiguous, and so is a name that reads as the id or number of
 * another version: only older repositories have such names. A number never depends on HEAD.
 */

import { type Id, isId } from '../../../base/bytes/hash.js';
import { listSome } from '../../../base/bytes/words/wording.js';
import { AmbiguousError, isDamage, NotFoundError, UsageError } from '../../../base/errors.js';
import type { Layout } from '../layout.js';
import { readRemotes } from '../remotes.js';
import { shortId } from '../version/short-id.js';
import { readHead } from './head.js';
import { type BranchSource, refCandidates } from './ref-candidates.js';
import { branchRefName, mayBeRevision, parseRefName, remoteRefName, shownRef } from './ref-name.js';
import { readReflog } from './reflog.js';
import { type Ref, readRef } from './refs.js';
import { resolveNumber } from './resolve-number.js';
import { howToWrite, unknownRevision } from './unknown-revision.js';
import type { NumberSource } from './version-numbers.js';

/** What resolving a revision needs to know of a repository. */
export interface RevisionSource extends NumberSource, BranchSource {
  /** Ids of the versions here that begin with `prefix` (4 to 64 hex digits); a few are enough. */
  findVersions(prefix: string): Promise<Id[]>;
}

/** A revision that was resolved. */
export interface ResolvedRevision {
  id: Id;
  /** Full name of the ref that it names directly, or null. */
  ref: string | null;
}

/** Parts of a revision. */
export interface ParsedRevision {
  base: string;
  /** True for '@{u}', or '@{upstream}', after the base: the branch of a remote that it follows. */
  upstream: boolean;
  /** n of '@{n}' after the base, or null. */
  reflog: number | null;
  /** Steps in order: '~' n first parents up, '^' the n-th parent. */
  steps: { kind: '~' | '^'; n: number }[];
}

const SHORT_ID = /^[0-9a-fA-F]{4,64}$/;
/** Where a chain of '~' may lead at most; longer is a mistyped number. */
const STEP_MAX = 10_000_000;

/** Takes a revision apart. @throws {UsageError} DLV_USAGE if its suffixes make no sense. */
export function parseRevision(text: string): ParsedRevision {
  const match = /^([^~^]*?)(@\{(?:u|upstream|push)\})?(?:@\{(\d{1,9})\})?((?:[~^]\d{0,9})*)$/i.exec(
    text,
  );
  const [, base = '', upstream, reflog, suffix = ''] = match ?? [];
  const steps = [...suffix.matchAll(/([~^])(\d*)/g)].map(([, kind, digits]) => ({
    kind: kind as '~' | '^',
    n: digits === '' ? 1 : Number(digits),
  }));
  // No ref is named so.
  const isDate = base.includes('@{');
  const isEmpty = base === '' && upstream === undefined && reflog === undefined;
  if (match === null || isEmpty || isDate || steps.some(({ n }) => n > STEP_MAX)) {
    throw new UsageError(`'${text}' is not a revision`, {
      revision: text,
      hint: howToWrite(text),
    });
  }
  return {
    base: base === '' || base === '@' ? 'HEAD' : base,
    upstream: upstream !== undefined,
    reflog: reflog === undefined ? null : Number(reflog),
    steps,
  };
}

/** The version that HEAD names; null if its branch has none yet. */
export async function resolveHead(layout: Layout): Promise<Id | null> {
  const head = await readHead(layout);
  if (head.kind === 'detached') return head.id;
  return readRef(layout, branchRefName(head.model, head.branch));
}

/** Versions that the name of a ref means if it is read as a version id or as model@n. */
async function otherReadings(source: RevisionSource, name: string): Promise<Id[]> {
  if (!mayBeRevision(name)) return [];
  try {
    const other = (await resolveNumber(source, name)) ?? (await resolveId(source, name));
    return other === null ? [] : [other];
  } catch (error) {
    // What is damaged elsewhere takes no name from a ref that is sound.
    if (error instanceof NotFoundError || isDamage(error)) return [];
    if (error instanceof AmbiguousError) return error.data.candidates as Id[];
    throw error;
  }
}

async function resolveName(source: RevisionSource, name: string): Promise<ResolvedRevision | null> {
  const found: { ref: string; id: Id }[] = [];
  for (const ref of await refCandidates(source, name)) {
    if (ref.startsWith('refs/notes/')) continue;
    const id = await readRef(source.layout, ref);
    if (id !== null) found.push({ ref, id });
  }
  const [first] = found;
  if (first === undefined) return null;
  const others = name.startsWith('refs/') ? [] : await otherReadings(source, name);
  if ([...found.map(({ id }) => id), ...others].some((id) => id !== first.id)) {
    const candidates: string[] = [...found.map(({ ref }) => ref), ...others];
    throw new AmbiguousError(`'${name}' names more than one version`, {
      kind: 'revision',
      name,
      candidates,
      hint: `write one of these in full: ${candidates.join(', ')}`,
    });
  }
  const branch = found.find(({ ref }) => ref.startsWith('refs/heads/'));
  return branch ?? first;
}

async function resolveId(source: RevisionSource, text: string): Promise<Id | null> {
  if (!SHORT_ID.test(text)) return null;
  const prefix = text.toLowerCase();
  if (isId(prefix)) {
    await source.readVersion(prefix);
    return prefix;
  }
  const ids = await source.findVersions(prefix);
  if (ids.length > 1) {
    const longer = ids.map((id) => id.slice(0, Math.max(10, prefix.length + 4)));
    throw new AmbiguousError(`version id '${text}' is ambiguous`, {
      kind: 'version',
      name: text,
      candidates: ids,
      hint: `it is the beginning of ${listSome(longer, 8)}: give more digits`,
    });
  }
  return ids[0] ?? null;
}

async function resolveBase(source: RevisionSource, base: string): Promise<ResolvedRevision> {
  if (base === 'HEAD') {
    const head = await readHead(source.layout);
    const id = await resolveHead(source.layout);
    const ref = head.kind === 'branch' ? branchRefName(head.model, head.branch) : null;
    if (id !== null) return { id, ref };
    throw new NotFoundError(`HEAD names '${shownRef(ref ?? 'HEAD')}', which has no version yet`, {
      kind: 'revision',
      name: 'HEAD',
      hint: "'dlv commit' makes the first one",
    });
  }
  const named = await resolveName(source, base);
  if (named !== null) return named;
  const id = (await resolveNumber(source, base)) ?? (await resolveId(source, base));
  if (id === null) throw await unknownRevision(source, base);
  return { id, ref: null };
}

/** The branch of a remote that a branch follows. @throws {NotFoundError} if it follows none that was seen. */
async function resolveUpstream(source: RevisionSource, base: string): Promise<ResolvedRevision> {
  const { layout } = source;
  const head = await readHead(layout);
  const isHead = base === 'HEAD';
  const ref = isHead ? null : (await resolveName(source, base))?.ref;
  const place = isHead ? head : ref && parseRefName(ref);
  const name = `${base}@{u}`;
  if (!place || (place.kind !== 'branch' && place.kind !== 'head')) {
    throw new NotFoundError(
      isHead
        ? 'HEAD is on no branch, so it follows none'
        : `'${base}' is no branch, so it follows none`,
      { kind: 'revision', name, hint: "'dlv branch -vv' lists what each branch follows" },
    );
  }
  const title = `${place.model}/${place.branch}`;
  const upstream = (await readRemotes(layout)).upstreams.get(title);
  if (upstream === undefined) {
    throw new NotFoundError(`'${title}' follows no branch of a remote`, {
      kind: 'revision',
      name,
      hint: "'dlv branch -u <remote>/<branch>' makes it follow one, and so does 'dlv push -u'",
    });
  }
  const { remote, model, branch } = upstream;
  const followed = remoteRefName(remote, model, branch);
  const id = await readRef(layout, followed);
  if (id !== null) return { id, ref: followed };
  throw new NotFoundError(
    `'${remote}/${model}/${branch}', which '${title}' follows, was not seen at the remote`,
    { kind: 'revision', name, hint: `'dlv fetch ${remote}' looks there, 'dlv push' makes it` },
  );
}

/** The version that a ref named n moves ago; of HEAD also where its branch has none any more. */
async function resolveReflog(
  source: RevisionSource,
  base: string,
  { n, upstream }: { n: number; upstream: boolean },
): Promise<Id> {
  const isHead = base === 'HEAD' && !upstream;
  const unborn = isHead && n > 0 && (await resolveHead(source.layout)) === null;
  const resolveRef = upstream ? resolveUpstream : resolveBase;
  const { id, ref } = unborn ? { id: null, ref: null } : await resolveRef(source, base);
  const log = isHead ? 'HEAD' : ref;
  if (n === 0 && id !== null) return id;
  const { entries } = log === null ? { entries: [] } : await readReflog(source.layout, log, id);
  const name = `${base}@{${n}}`;
  const move = n > entries.length ? undefined : entries.at(-n);
  if (move === undefined) {
    throw new NotFoundError(`'${base}' is not known to have moved ${n} times`, {
      kind: 'revision',
      name,
      hint: `its log has ${entries.length} moves`,
    });
  }
  if (move.before === null) {
    throw new NotFoundError(`'${base}' named no version before it moved ${n} times`, {
      kind: 'revision',
      name,
      hint: "'dlv reflog' shows the versions that it named",
    });
  }
  await checkPast(source, move.before, name);
  return move.before;
}

/** A version that only a reflog names may be gone, which is not damage. @throws {NotFoundError} */
async function checkPast(source: RevisionSource, id: Id, name: string): Promise<void> {
  try {
    await source.readVersion(id);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new NotFoundError(
      `version ${id.slice(0, 10)}, which '${name}' names, is not here any more`,
      {
        kind: 'revision',
        name,
        version: id,
        hint:
          "no branch or tag leads to it, so 'dlv gc' removed it, at once with --prune=now, " +
          'else after the days that gc.graceDays says',
      },
    );
  }
}

/**
 * The version that a revision names.
 * @throws {UsageError} DLV_USAGE if it is none; {NotFoundError} DLV_NOT_FOUND with the nearest names;
 *   {AmbiguousError} DLV_AMBIGUOUS with the candidates.
 */
export async function resolveRevision(
  source: RevisionSource,
  text: string,
): Promise<ResolvedRevision> {
  const { base, upstream, reflog, steps } = parseRevision(text);
  let at: ResolvedRevision;
  if (reflog !== null) {
    at = { id: await resolveReflog(source, base, { n: reflog, upstream }), ref: null };
  } else at = await (upstream ? resolveUpstream : resolveBase)(source, base);
  for (const { kind, n } of steps) {
    if (n === 0) continue;
    for (let i = 0; i < (kind === '~' ? n : 1); i++) {
      const { parents } = await source.readVersion(at.id);
      const parent: Id | undefined = parents[kind === '^' ? n - 1 : 0];
      if (parent === undefined) {
        const which = kind === '^' ? `no parent ${n}` : 'no parent';
        throw new NotFoundError(`'${text}' does not exist: ${shortId(at.id)} has ${which}`, {
          kind: 'revision',
          name: text,
        });
      }
      at = { id: parent, ref: null };
    }
  }
  return at;
}

/** Names of the branches, tags and remote branches that name each version, for log and show. */
export function refsByVersion(refs: readonly Ref[]): Map<Id, string[]> {
  const map = new Map<Id, string[]>();
  for (const { name, id } of refs) {
    const names = map.get(id);
    if (names) names.push(name);
    else map.set(id, [name]);
  }
  return map;
}
