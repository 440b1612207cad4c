/** Files below a folder, as a source gives them. */
import path from 'node:path';
import { type FileStat, listEntries } from '../../base/files/files.js';
import { realPath, statThrough, type Through } from '../../base/files/places/user-paths.js';
import { pathProblem } from '../../pure/paths/version-path.js';
import { holdsRepository } from '../../storage/repo/find-repository.js';
import type { SourceFile } from './source.js';

/** Folders below which nothing is looked for. */
const DEPTH_MAX = 64;

/** What is no file, as a problem says it. */
const WHAT: Record<Exclude<Through['kind'], 'file'>, string> = {
  folder: 'a link to a folder',
  other: 'a pipe, socket or device',
  nothing: 'a link that leads nowhere',
  circle: 'a link that leads to itself',
  denied: 'a link to where you may not look',
};

/** A file below a folder. */
export interface FoundFile {
  /** Below the folder, with '/'. */
  path: string;
  file: string;
  /** Where the file itself lies, links followed. */
  real: string;
  stat: FileStat;
}

/**
 * All regular files, links to them included, in order of their names; folders that are links are not entered.
 * What another made may hold links to any file of this computer, which a push would then publish: those that end
 * outside of `within` are left out.
 * @param problems  is told of what is left out. @param within  a folder that may be above `root`; default: `root`.
 */
export async function findFiles(
  root: string,
  problems: string[],
  within = root,
): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  const bound = await realPath(within);
  if (!isBelow(bound, await realPath(root))) {
    problems.push(`'${path.relative(within, root)}' ${LEADS_OUT}`);
    return found;
  }
  const walk = async (below: string, depth: number): Promise<void> => {
    const entries = await listEntries(path.join(root, below));
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name === '.git' || entry.name === '.dlv') continue;
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) {
        if (await holdsRepository(path.join(root, name))) {
          problems.push(`'${name}' is a repository of dlv: it is left out`);
        } else if (depth < DEPTH_MAX) await walk(name, depth + 1);
        continue;
      }
      const file = path.join(root, name);
      const there = await statThrough(file);
      if (there.kind !== 'file') {
        problems.push(`'${name}' is ${WHAT[there.kind]}: it is left out`);
        continue;
      }
      const real = entry.isFile() ? file : await realPath(file);
      if (real !== file && !isBelow(bound, real)) problems.push(`'${name}' ${LEADS_OUT}`);
      else found.push({ path: name, file, real, stat: there.stat });
    }
  };
  await walk('', 0);
  return found;
}

const LEADS_OUT =
  'is a link to outside of the folder: it is left out, since whoever made it may not own what is there';

function isBelow(folder: string, place: string): boolean {
  return place === folder || place.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** @param place  the path in the version. */
export function sourceFile({ file, stat }: FoundFile, place: string): SourceFile {
  return {
    path: place,
    mode: (stat.mode & 0o111) === 0 ? 0o644 : 0o755,
    // The same file, unchanged: a checkpoint that is a hard link or a link to another is read once.
    content: `${stat.inode}/${stat.size}/${stat.mtimeNs}`,
    check: null,
    bytes: { file, isInPlace: true },
  };
}

/** Leaves out paths that no version can hold. @param problems  is told of them. */
export function checkedFiles(files: readonly SourceFile[], problems: string[]): SourceFile[] {
  return files.filter(({ path: name }) => {
    const problem = pathProblem(name);
    if (problem !== null) problems.push(`${JSON.stringify(name)} is left out: ${problem}`);
    return problem === null;
  });
}

/** Time of the newest file, in milliseconds; 0 without files. */
export function newestOf(files: readonly FoundFile[]): number {
  return files.reduce((newest, { stat }) => {
    return Math.max(newest, Number(BigInt(stat.mtimeNs) / 1_000_000n));
  }, 0);
}
