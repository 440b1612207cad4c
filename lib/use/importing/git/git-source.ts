/**
 * The history of a git repository: its commits on branches and tags, with the files that git-lfs and DVC keep
 * elsewhere, from their folders beside the repository.
 */

import path from 'node:path';
import { pushAll } from '../../../base/bytes/many.js';
import { NotFoundError } from '../../../base/errors.js';
import { leadsTo } from '../../../base/files/places/user-paths.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import type { SourceFile, SourceHistory, SourceVersion } from '../source.js';
import { DvcFiles } from './dvc-files.js';
import { GitObjects, git } from './git-process.js';
import { authorOf, parseTree, type TreeRow, textOf } from './git-texts.js';
import { LfsFiles } from './lfs-files.js';
import {
  DVC_BYTES_MAX,
  isDvcFile,
  isElsewhere,
  POINTER_BYTES_MAX,
  parseDvcStages,
  parseLfsPointer,
  parseStageFolders,
} from './pointers.js';

/** Longest commit that is read. */
const COMMIT_BYTES_MAX = 16 * 1024 * 1024;

/** Time zones beyond a day are mistakes of some program. */
const DAY_MINUTES = 24 * 60;

/** Opens the repository in a folder, or that is the folder. @throws {NotFoundError} if it has no commit. */
export async function openGitHistory(dir: string): Promise<SourceHistory> {
  const common = (await git(dir, ['rev-parse', '--path-format=absolute', '--git-common-dir']))
    .toString('utf8')
    .trimEnd();
  const source = new GitSource(dir, common);
  try {
    return await source.history();
  } catch (error) {
    await source.close();
    throw error;
  }
}

class GitSource {
  readonly #dir: string;
  /** Folder of the work tree, where DVC keeps its settings. */
  readonly #top: string;
  readonly #objects: GitObjects;
  readonly #lfs: LfsFiles;
  /** By the folder that DVC was set up in, from the top. */
  readonly #dvc = new Map<string, DvcFiles>();
  readonly #problems = new Set<string>();
  /** What a small blob points to, by its id. */
  readonly #pointers = new Map<string, ReturnType<typeof parseLfsPointer>>();

  constructor(dir: string, gitDir: string) {
    this.#dir = dir;
    this.#top = path.dirname(gitDir);
    this.#lfs = new LfsFiles(gitDir);
    this.#objects = new GitObjects(dir);
  }

  close(): Promise<void> {
    return this.#objects.close();
  }

  async history(): Promise<SourceHistory> {
    const { branches, tags } = await this.#refs();
    if (branches.size + tags.size === 0) {
      throw new NotFoundError(`'${this.#dir}' has no commit on a branch`, {
        kind: 'version',
        name: this.#dir,
        hint: 'make one with git first',
      });
    }
    const lines = (
      await git(this.#dir, [
        ...['rev-list', '--topo-order', '--reverse', '--parents'],
        ...['--branches', '--tags'],
      ])
    )
      .toString('latin1')
      .split('\n')
      .filter((line) => line !== '');
    const known = new Set(lines.map((line) => line.split(' ', 1)[0]));
    const versions: SourceVersion[] = [];
    for (const line of lines) {
      const [key = '', ...parents] = line.split(' ');
      // A shallow clone does not have all parents.
      versions.push(
        await this.#version(
          key,
          parents.filter((parent) => known.has(parent)),
        ),
      );
    }
    const name = path.basename(path.resolve(this.#dir)).replace(/\.git$/, '');
    const problems: string[] = [];
    return {
      kind: 'git',
      model: name,
      versions,
      branches,
      tags,
      get problems() {
        return problems;
      },
      close: async () => {
        await this.close();
        pushAll(problems, this.#problems);
      },
    };
  }

  async #refs(): Promise<Pick<SourceHistory, 'branches' | 'tags'>> {
    const format = '%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)';
    const listed = (await git(this.#dir, ['for-each-ref', `--format=${format}`]))
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\0') as [string, string, string, string, string]);
    const head = (await git(this.#dir, ['symbolic-ref', '-q', 'HEAD']).catch(() => Buffer.alloc(0)))
      .toString('utf8')
      .trim();
    const branches = new Map<string, string>();
    const tags = new Map<string, string>();
    // The branch that is checked out goes first: commits of several branches belong to it.
    listed.sort(([a], [b]) => Number(b === head) - Number(a === head));
    for (const [name, id, type, peeled, peeledType] of listed) {
      const isShown = name.startsWith('refs/heads/') || name.startsWith('refs/tags/');
      if (!isShown) continue;
      const direct = type === 'commit' ? id : peeledType === 'commit' ? peeled : null;
      const commit = direct ?? (await this.#commitOf(id));
      if (commit === null) {
        this.#problems.add(
          `the tag '${name.slice('refs/tags/'.length)}' is left out: it names no commit`,
        );
        continue;
      }
      if (name.startsWith('refs/heads/')) branches.set(name.slice('refs/heads/'.length), commit);
      else if (name.startsWith('refs/tags/')) tags.set(name.slice('refs/tags/'.length), commit);
    }
    return { branches, tags };
  }

  /** The commit that a tag of a tag leads to; null for one of something else. */
  async #commitOf(id: string): Promise<string | null> {
    const found = await git(this.#dir, ['rev-parse', '-q', '--verify', `${id}^{commit}`]).catch(
      () => null,
    );
    return found === null ? null : found.toString('latin1').trim();
  }

  async #version(key: string, parents: string[]): Promise<SourceVersion> {
    const bytes = await this.#objects.read(key, 'commit', COMMIT_BYTES_MAX);
    const text = bytes === null ? '' : textOf(bytes);
    const split = text.indexOf('\n\n');
    const head = split < 0 ? text : text.slice(0, split);
    const by = /^author (.*) <([^<>\n]*)> (\d+) ([+-])(\d\d)(\d\d)$/m.exec(head);
    const minutes = by === null ? 0 : Number(by[5]) * 60 + Number(by[6]);
    return {
      key,
      title: `commit ${key.slice(0, 10)}`,
      parents,
      message: split < 0 ? '' : text.slice(split + 2),
      author: by === null ? null : authorOf(by[1] as string, by[2] as string),
      time: by === null ? 0 : Number(by[3]) * 1000,
      tzMinutes: minutes > DAY_MINUTES ? 0 : by?.[4] === '-' ? -minutes : minutes,
      git: { commit: key, dirty: false },
      step: null,
      params: [],
      metrics: [],
      logs: [],
      files: () => this.#files(key),
    };
  }

  async #files(commit: string): Promise<SourceFile[]> {
    const rows = parseTree(await git(this.#dir, ['ls-tree', '-r', '-z', '-l', commit]));
    const files = new Map<string, SourceFile>();
    for (const row of rows) {
      const { path: name, mode } = row;
      const problem = row.isText ? pathProblem(name) : 'its name is not UTF-8';
      if (mode === '120000') this.#problems.add(`'${name}' is a symbolic link: links are left out`);
      else if (row.type !== 'blob') this.#problems.add(`'${name}' is a submodule: it is left out`);
      else if (problem !== null) {
        this.#problems.add(`${JSON.stringify(name)} is left out: ${problem}`);
      } else {
        files.set(name, await this.#file(row));
      }
    }
    const inGit = new Map(rows.map((row) => [row.path, row]));
    const folders = new Set(rows.flatMap((row) => foldersAbove(row.path)));
    for (const row of rows) {
      if (!isDvcFile(row.path) || !files.has(row.path)) continue;
      for (const file of await this.#tracked(row, inGit)) {
        const above = foldersAbove(file.path);
        const other = folders.has(file.path) ? file.path : above.find((name) => files.has(name));
        if (other !== undefined) {
          const what = other === file.path ? 'a folder' : `the file '${other}'`;
          this.#problems.add(`'${file.path}' is left out: ${what} is in its place`);
          continue;
        }
        files.set(file.path, file);
        for (const name of above) folders.add(name);
      }
    }
    return [...files.values()];
  }

  async #file(row: TreeRow): Promise<SourceFile> {
    const { id, path: name } = row;
    const mode = row.mode === '100755' ? 0o755 : 0o644;
    const own: SourceFile = {
      path: name,
      mode,
      content: id,
      check: null,
      bytes: { stream: () => this.#objects.stream(id, 'blob') },
    };
    if (row.size > POINTER_BYTES_MAX) return own;
    if (!this.#pointers.has(id)) {
      const text = (await this.#objects.read(id, 'blob', POINTER_BYTES_MAX))?.toString('latin1');
      this.#pointers.set(id, parseLfsPointer(text ?? ''));
    }
    const pointer = this.#pointers.get(id);
    if (!pointer) return own;
    const file = await this.#lfs.find(pointer);
    if (file === null) {
      this.#problems.add(
        `'${name}' is not in the objects of git-lfs: its pointer is kept ('git lfs fetch --all' brings it)`,
      );
      return own;
    }
    const problem = 'its object has another sha256 than its pointer says';
    return {
      path: name,
      mode,
      content: `lfs:${pointer.sha256}`,
      check: { kind: 'sha256', hex: pointer.sha256, problem },
      bytes: { file, isInPlace: false },
    };
  }

  /**
   * The files that DVC tracks by one of its own. @param inGit  all that the commit has: a metrics file may be listed by
   * DVC and committed to git.
   */
  async #tracked(row: TreeRow, inGit: ReadonlyMap<string, TreeRow>): Promise<SourceFile[]> {
    const above = path.posix.dirname(row.path);
    const stages = parseDvcStages(await this.#text(row));
    const written = inGit.get(path.posix.join(above, 'dvc.yaml'));
    const folders =
      written === undefined || stages.every(({ name }) => name === null)
        ? new Map<string, string>()
        : parseStageFolders(await this.#text(written));
    const files: SourceFile[] = [];
    if (stages.length === 0 && row.path.endsWith('.dvc')) {
      this.#problems.add(
        `'${row.path}' cannot be read as a file of DVC: what it tracks is left out`,
      );
    }
    for (const { name, folder, outputs, unknown } of stages) {
      for (const output of unknown) {
        this.#problems.add(`'${output}' of '${row.path}' has no md5: it is left out`);
      }
      // 'train@2' is one of several that the stage 'train' stands for.
      const works = (name === null ? null : folders.get(name.split('@', 1)[0] as string)) ?? folder;
      for (const output of outputs) {
        if (isElsewhere(output.path) || isElsewhere(works)) {
          const what = isElsewhere(output.path) ? output.path : `${works}/${output.path}`;
          this.#problems.add(
            `'${what}' of '${row.path}' is outside of the repository: it is left out`,
          );
          continue;
        }
        const place = path.posix.normalize(path.posix.join(above, works, output.path));
        if (inGit.has(place)) continue;
        const dvc = await this.#dvcAt(above);
        pushAll(files, await dvc.files(output, place, (problem) => this.#problems.add(problem)));
      }
    }
    return files;
  }

  async #text({ id }: TreeRow): Promise<string> {
    return (await this.#objects.read(id, 'blob', DVC_BYTES_MAX))?.toString('utf8') ?? '';
  }

  /** DVC as it was set up in the nearest folder above. */
  async #dvcAt(folder: string): Promise<DvcFiles> {
    let place = folder;
    const isSetUp = (): Promise<'file' | 'folder' | 'other' | null> =>
      leadsTo(path.join(this.#top, place, '.dvc'));
    while (place !== '.' && (await isSetUp()) !== 'folder') place = path.posix.dirname(place);
    const known = this.#dvc.get(place);
    if (known !== undefined) return known;
    const opened = await DvcFiles.open(path.join(this.#top, place));
    this.#dvc.set(place, opened);
    return opened;
  }
}

/** The folders that a path goes through, the nearest first. */
function foldersAbove(name: string): string[] {
  const above: string[] = [];
  for (let at = path.posix.dirname(name); at !== '.'; at = path.posix.dirname(at)) above.push(at);
  return above;
}
