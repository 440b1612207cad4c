/**
 * A folder of the Hugging Face Hub's cache (`models--org--name`): a version for each commit that was
 * downloaded, oldest first; a branch or tag for each ref.
 */

import path from 'node:path';
import { pushAll } from '../../base/bytes/many.js';
import { NotFoundError } from '../../base/errors.js';
import { listDirectory, readSmallFile } from '../../base/files/files.js';
import { leadsTo } from '../../base/files/places/user-paths.js';
import { formatParam } from '../../pure/logs/param-value.js';
import { checkedFiles, type FoundFile, findFiles, newestOf, sourceFile } from './folder-files.js';
import type { ContentCheck, SourceHistory, SourceVersion } from './source.js';
import { currentTimeZone } from './time-zone.js';

const FOLDER = /^(models|datasets|spaces)--(.+)$/;
const COMMIT = /^[0-9a-f]{40}$/;
const CARD_BYTES_MAX = 1 << 20;

/** True for a folder of the cache. */
export async function isHubCache(dir: string): Promise<boolean> {
  return (
    FOLDER.test(path.basename(path.resolve(dir))) &&
    (await leadsTo(path.join(dir, 'snapshots'))) === 'folder'
  );
}

/** Names of the models in a cache with many. */
export async function cachedModels(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await listDirectory(dir)) {
    if (FOLDER.test(name) && (await isHubCache(path.join(dir, name)))) found.push(name);
  }
  return found;
}

/** The base model that the metadata of a model card names, or null. */
export function baseModelOf(card: string): string | null {
  const head = /^---\n([\s\S]*?)\n---/.exec(card.replaceAll('\r\n', '\n'))?.[1] ?? '';
  const own =
    /^base_model:[ \t]*(\S.*)$/m.exec(head)?.[1] ??
    /^base_model:[ \t]*\n[ \t]*-[ \t]+(\S.*)$/m.exec(head)?.[1];
  return own === undefined ? null : own.replace(/^(['"])(.*)\1$/, '$2').trim();
}

/** Opens a folder of the cache. @throws {NotFoundError} if nothing was downloaded into it. */
export async function openHubCache(dir: string): Promise<SourceHistory> {
  const root = path.resolve(dir);
  const title = (FOLDER.exec(path.basename(root))?.[2] ?? path.basename(root)).replaceAll(
    '--',
    '/',
  );
  const problems: string[] = [];
  const found: { commit: string; files: FoundFile[] }[] = [];
  for (const commit of await listDirectory(path.join(root, 'snapshots'))) {
    if (!COMMIT.test(commit)) continue;
    const missing: string[] = [];
    const files = await findFiles(path.join(root, 'snapshots', commit), missing, root);
    pushAll(
      problems,
      missing.map((problem) => `${titleOf(commit)}: ${problem}`),
    );
    if (files.length > 0) found.push({ commit, files });
    else problems.push(`${titleOf(commit)} has no file: no version is made of it`);
  }
  found.sort((a, b) => newestOf(a.files) - newestOf(b.files) || (a.commit < b.commit ? -1 : 1));
  if (found.length === 0) {
    throw new NotFoundError(`'${dir}' has no downloaded version`, {
      kind: 'path',
      name: dir,
      hint: "a folder of the cache has 'snapshots/<commit>' with files",
    });
  }
  const versions: SourceVersion[] = [];
  for (const { commit, files } of found) {
    versions.push({
      key: commit,
      title: titleOf(commit),
      parents: versions.slice(-1).map(({ key }) => key),
      message: `${title} at ${commit}`,
      author: null,
      time: newestOf(files),
      tzMinutes: currentTimeZone(),
      git: { commit, dirty: false },
      step: null,
      params: await paramsOf(files),
      metrics: [],
      logs: [],
      files: async () =>
        checkedFiles(
          files.map((file) => ({ ...sourceFile(file, file.path), check: checkOf(file) })),
          problems,
        ),
    });
  }
  const names = await refsOf(root, new Set(versions.map(({ key }) => key)));
  const last = (versions.at(-1) as SourceVersion).key;
  const { main = last, ...others } = Object.fromEntries(names);
  return {
    kind: 'hub cache',
    model: title.replaceAll('/', '-'),
    versions,
    branches: new Map([['main', last]]),
    // Other names of the Hub may be branches or tags there; here they name one version each.
    tags: new Map([
      ...(main === last ? [] : [['hub-main', main] as const]),
      ...Object.entries(others),
    ]),
    problems,
    close: async () => {},
  };
}

/** Blobs are called by their content: those of LFS by its sha256, others as git calls them. */
function checkOf({ real }: FoundFile): ContentCheck | null {
  const hex = path.basename(real);
  const isBlob =
    path.basename(path.dirname(real)) === 'blobs' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hex);
  if (!isBlob) return null;
  return {
    kind: hex.length === 64 ? 'sha256' : 'git sha1',
    hex,
    problem: `its content is not what its name in the cache says, 'blobs/${hex}' (remove it and download it again)`,
  };
}

function titleOf(commit: string): string {
  return `snapshot ${commit.slice(0, 10)}`;
}

async function refsOf(root: string, known: ReadonlySet<string>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const dir = path.join(root, 'refs');
  if ((await leadsTo(dir)) !== 'folder') return names;
  for (const { path: name, file } of await findFiles(dir, [], root)) {
    const commit = Buffer.from(await readSmallFile(file, 256))
      .toString('latin1')
      .trim();
    if (known.has(commit)) names.set(name, commit);
  }
  return names;
}

async function paramsOf(files: readonly FoundFile[]): Promise<{ name: string; text: string }[]> {
  const card = files.find(({ path: name }) => name === 'README.md');
  if (card === undefined || card.stat.size > CARD_BYTES_MAX) return [];
  const text = Buffer.from(await readSmallFile(card.file, CARD_BYTES_MAX)).toString('utf8');
  const base = baseModelOf(text);
  return base === null ? [] : [{ name: 'base_model', text: formatParam(base) }];
}
