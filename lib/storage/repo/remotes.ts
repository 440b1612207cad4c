/**
 * `.dlv/remotes`: addresses of remotes, and which branch of theirs a branch here follows.
 *
 * Commands write it, under the lock; people read it with `dlv remote -v`. @see docs/format/remote.md
 */
import { linesOf } from '../../base/bytes/lines.js';
import { sealReadable, unseal } from '../../base/bytes/sealed.js';
import { CorruptError } from '../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../base/files/files.js';
import { STATE_FILE_BYTES_MAX, URL_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from './layout.js';
import type { RepositoryLock } from './processes/lock.js';
import { modelNameProblem, parseRefName } from './refs/ref-name.js';

/** The branch of a remote that a branch here follows. */
export interface Upstream {
  remote: string;
  model: string;
  branch: string;
}

/** All remotes of a repository. */
export interface Remotes {
  /** Addresses, by name. */
  urls: Map<string, string>;
  /** By `model/branch`. */
  upstreams: Map<string, Upstream>;
}

const FIRST_LINE = 'remotes 1';
/** What helps where the file is damaged: nothing else holds what was in it. */
const REMEDY = "remove it, then name the remotes again with 'dlv remote add <name> <url>'";
const LEAST_CHARS = 'remote a b'.length;

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Text of the file before its checksum line. */
export function formatRemotes({ urls, upstreams }: Remotes): string {
  const lines = [
    FIRST_LINE,
    ...sorted(urls).map(([name, url]) => `remote ${name} ${url}`),
    ...sorted(upstreams).map(
      ([name, { remote, model, branch }]) => `upstream ${name} ${remote} ${model}/${branch}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** Splits `model/branch`; null if it is none. */
export function parseBranchTitle(title: string): { model: string; branch: string } | null {
  const place = parseRefName(`refs/heads/${title}`);
  return place?.kind === 'head' ? { model: place.model, branch: place.branch } : null;
}

/** True if a text can stand as an address: without spaces and control characters, of bounded length. */
export function isPlainUrl(url: string): boolean {
  return /^[^\s\p{Cc}\p{Cs}]+$/u.test(url) && Buffer.byteLength(url) <= URL_BYTES_MAX;
}

/** The mirror of formatRemotes. @throws {CorruptError} */
export function parseRemotes(text: string, file: string): Remotes {
  const remotes: Remotes = { urls: new Map(), upstreams: new Map() };
  for (const line of (linesOf(text, LEAST_CHARS) ?? []).slice(1)) {
    const [word, name = '', first = '', second = ''] = line.split(' ');
    if (word === 'remote' && modelNameProblem(name) === null && isPlainUrl(first)) {
      remotes.urls.set(name, first);
    }
    const upstream = parseBranchTitle(second);
    if (word === 'upstream' && upstream !== null && parseBranchTitle(name) !== null) {
      remotes.upstreams.set(name, { remote: first, ...upstream });
    }
  }
  if (formatRemotes(remotes) === text) return remotes;
  throw new CorruptError(`'${file}' is damaged: the addresses of remotes cannot be read from it`, {
    file,
    hint: REMEDY,
  });
}

/** All remotes; none if none was ever added. @throws {CorruptError} */
export async function readRemotes(layout: Layout): Promise<Remotes> {
  const file = layout.remotes;
  try {
    return parseRemotes(unseal(await readSmallFile(file, STATE_FILE_BYTES_MAX), file), file);
  } catch (error) {
    if (error instanceof CorruptError) error.data.hint = REMEDY;
    if (!isMissing(error)) throw error;
    return { urls: new Map(), upstreams: new Map() };
  }
}

/** Changes the file under the lock; it is on the disk when this returns. */
export async function changeRemotes(
  lock: RepositoryLock,
  change: (remotes: Remotes) => void,
): Promise<void> {
  lock.assertHeld();
  const file = lock.layout.remotes;
  const remotes = await readRemotes(lock.layout);
  const before = formatRemotes(remotes);
  change(remotes);
  const after = formatRemotes(remotes);
  if (after === before) return;
  const mode = [...remotes.urls.values()].some(holdsPassword) ? 0o600 : 0o666;
  await writeFileAtomic(file, sealReadable(after, file, parseRemotes), mode);
}

/** True for `http://name:password@host`: nobody else on this machine may read it. */
function holdsPassword(url: string): boolean {
  return URL.canParse(url) && new URL(url).password !== '';
}
