/**
 * A folder in memory: read, written elsewhere, compared. Thousands of small files each time, so with blocking
 * calls: a promise for each would take most of the time of the searches.
 */
import fs from 'node:fs';
import path from 'node:path';
import { sha256Hex } from '../../lib/base/bytes/hash.js';

/** Path → bytes of a file, or null for a folder. */
export type Tree = Map<string, Buffer | null>;

/** The files of a folder as a tree. */
export function readTree(dir: string): Tree {
  const tree: Tree = new Map();
  for (const entry of fs.readdirSync(dir, { withFileTypes: true, recursive: true })) {
    const full = path.join(entry.parentPath, entry.name);
    const isFolder = entry.isDirectory();
    tree.set(path.relative(dir, full), isFolder ? null : fs.readFileSync(full));
  }
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Puts a tree into the new folder `dir`. @param time of its files, if not now. */
export function writeTree(dir: string, tree: Tree, time: Date | null): void {
  fs.mkdirSync(dir);
  for (const [name, bytes] of tree) {
    const file = path.join(dir, name);
    if (bytes === null) fs.mkdirSync(file);
    else {
      fs.writeFileSync(file, bytes);
      if (time !== null) fs.utimesSync(file, time, time);
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
