/** A folder in memory: read, written elsewhere, compared. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { sha256Hex } from '../../lib/base/bytes/hash.js';

/** Path → bytes of a file, or null for a folder. */
export type Tree = Map<string, Buffer | null>;

/** The files of a folder as a tree. */
export async function readTree(dir: string): Promise<Tree> {
  const tree: Tree = new Map();
  for (const entry of await fs.readdir(dir, { withFileTypes: true, recursive: true })) {
    const full = path.join(entry.parentPath, entry.name);
    const isFolder = entry.isDirectory();
    tree.set(path.relative(dir, full), isFolder ? null : await fs.readFile(full));
  }
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Puts a tree into the new folder `dir`. @param time of its files, if not now. */
export async function writeTree(dir: string, tree: Tree, time: Date | null): Promise<void> {
  await fs.mkdir(dir);
  for (const [name, bytes] of tree) {
    const file = path.join(dir, name);
    if (bytes === null) await fs.mkdir(file);
    else {
      await fs.writeFile(file, bytes);
      if (time !== null) await fs.utimes(file, time, time);
    }
  }
}

const hashes = new WeakMap<Buffer, string>();

/** Equal for equal trees. */
export function hashTree(tree: Tree): string {
  let text = '';
  for (const [name, bytes] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) {
    let hash = 'folder';
    if (bytes !== null) {
      hash = hashes.get(bytes) ?? sha256Hex(bytes);
      hashes.set(bytes, hash);
    }
    text += `${name}\n${hash}\n`;
  }
  return sha256Hex(text);
}
