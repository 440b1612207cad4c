/** Files that DVC tracks beside a git repository: what its own files list, from the cache beside its settings. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { readSmallFile, statOrNull } from '../../../base/files/files.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import type { ContentCheck, SourceFile } from '../source.js';
import { linesIn } from './lines-in.js';
import { DVC_BYTES_MAX, type DvcOutput, parseDvcFolder } from './pointers.js';

/** An object of the cache. */
interface Cached {
  file: string;
  check: ContentCheck;
}

/** The cache of one folder that DVC was set up in. */
export class DvcFiles {
  readonly #cache: string;

  private constructor(cache: string) {
    this.#cache = cache;
  }

  /** @param folder  that has `.dvc`. */
  static async open(folder: string): Promise<DvcFiles> {
    return new DvcFiles(await cacheOf(path.join(folder, '.dvc')));
  }

  /**
   * The files of an output.
   * @param place  where it stands, from the top of the repository.
   * @param onProblem  is told what is left out.
   */
  async files(
    { md5, isExecutable }: DvcOutput,
    place: string,
    onProblem: (problem: string) => void,
  ): Promise<SourceFile[]> {
    if (!md5.endsWith('.dir')) {
      const own = await this.#file(place, { md5, isExecutable }, onProblem);
      return own === null ? [] : [own];
    }
    const list = await this.#cached(md5);
    if (list === null) {
      onProblem(
        `the list of the folder '${place}' is not in the cache of DVC: its files are left out (${BRINGS})`,
      );
      return [];
    }
    const rows = await readList(list);
    if (typeof rows === 'string') {
      onProblem(`the files of the folder '${place}' are left out: ${rows}`);
      return [];
    }
    const files: SourceFile[] = [];
    for (const row of rows) {
      const name = path.posix.normalize(`${place}/${row.path}`);
      const own = await this.#file(name, row, onProblem);
      if (own !== null) files.push(own);
    }
    return files;
  }

  async #file(
    name: string,
    { md5, isExecutable }: Omit<DvcOutput, 'path'>,
    onProblem: (problem: string) => void,
  ): Promise<SourceFile | null> {
    const problem = pathProblem(name);
    const found = problem === null ? await this.#cached(md5) : null;
    if (found === null) {
      onProblem(
        problem === null
          ? `'${name}' is not in the cache of DVC: it is left out (${BRINGS})`
          : `${JSON.stringify(name)} is left out: ${problem}`,
      );
      return null;
    }
    return {
      path: name,
      mode: isExecutable ? 0o755 : 0o644,
      content: `md5:${md5}`,
      check: found.check,
      bytes: { file: found.file, isInPlace: false },
    };
  }

  /** An object, in the layout of version 3 or of those before. */
  async #cached(md5: string): Promise<Cached | null> {
    const layouts = [
      { above: path.join(this.#cache, 'files', 'md5'), kind: 'md5' },
      { above: this.#cache, kind: 'md5 of text' },
    ] as const;
    for (const { above, kind } of layouts) {
      const file = path.join(above, md5.slice(0, 2), md5.slice(2));
      if (!(await statOrNull(file))?.isFile) continue;
      const problem = `its file in the cache of DVC, '${file}', has another md5 than its name says (remove it, then ${BRINGS})`;
      return { file, check: { kind, hex: md5.slice(0, 32), problem } };
    }
    return null;
  }
}

const BRINGS = "'dvc fetch --all-commits' brings it";

/** @returns the files of a folder, or why they cannot be told. */
async function readList({ file, check }: Cached): Promise<DvcOutput[] | string> {
  const size = (await statOrNull(file))?.stat.size ?? 0;
  if (size > DVC_BYTES_MAX) return `its list has ${size} bytes, more than ${DVC_BYTES_MAX}`;
  const bytes = await readSmallFile(file, DVC_BYTES_MAX);
  // The list of a folder is hashed as it is in either layout.
  if (createHash('md5').update(bytes).digest('hex') !== check.hex) return check.problem;
  return parseDvcFolder(Buffer.from(bytes).toString('utf8')) ?? `'${file}' is no list of files`;
}

/** The cache of DVC: beside its settings, or where these say that it is. */
async function cacheOf(dvc: string): Promise<string> {
  let cache = path.join(dvc, 'cache');
  for (const name of ['config', 'config.local']) {
    let section = '';
    for (const line of await linesIn(path.join(dvc, name))) {
      section = /^\s*\[(.*)\]\s*$/.exec(line)?.[1]?.trim() ?? section;
      const dir = /^\s*dir\s*=\s*(.+?)\s*$/.exec(line)?.[1];
      if (section === 'cache' && dir !== undefined) cache = path.resolve(dvc, dir);
    }
  }
  return cache;
}
