/** Files that git-lfs keeps beside a git repository: what its pointers stand for. */
import path from 'node:path';
import { statOrNull } from '../../../base/files/files.js';
import { linesIn } from './lines-in.js';
import type { LfsPointer } from './pointers.js';

/** The objects of git-lfs of one repository, and of those that it borrows from. */
export class LfsFiles {
  readonly #gitDir: string;
  /** Folders of git whose lfs/objects are looked in. */
  #folders: string[] | null = null;

  constructor(gitDir: string) {
    this.#gitDir = gitDir;
  }

  /** Where an object is; null if nowhere. */
  async find({ sha256, size }: LfsPointer): Promise<string | null> {
    this.#folders ??= [this.#gitDir, ...(await borrowedFrom(this.#gitDir))];
    for (const folder of this.#folders) {
      const place = ['lfs', 'objects', sha256.slice(0, 2), sha256.slice(2, 4), sha256];
      const file = path.join(folder, ...place);
      const there = await statOrNull(file);
      if (there?.isFile && there.stat.size === size) return file;
    }
    return null;
  }
}

/** Folders of git whose objects a repository borrows, as `git clone --shared` sets up. */
async function borrowedFrom(gitDir: string): Promise<string[]> {
  const objects = path.join(gitDir, 'objects');
  const lines = await linesIn(path.join(objects, 'info', 'alternates'));
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => path.dirname(path.resolve(objects, line)));
}
