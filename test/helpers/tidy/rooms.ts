/** READMEs of rooms: each folder has one, in one form, and the files that it names exist. */
import path from 'node:path';
import { LAYERS } from './imports.js';
import type { Lookup } from './links.js';

/** What each README says, in this order. */
const PARTS = ['**Owns**', '**Refuses**', '**Start**', '**Invariants**', '**Bytes**'];
/** Lines of text, blank ones not counted. */
const LINES_MIN = 5;
const LINES_MAX = 12;

/** The folders of lib that are rooms, from the paths of its files. */
export function roomFolders(files: readonly string[]): string[] {
  const folders = files.flatMap((file) => {
    const parts = file.split('/');
    const depth = LAYERS.includes(parts[1]!) ? 3 : 2;
    return parts[0] === 'lib' && parts.length > depth ? [parts.slice(0, depth).join('/')] : [];
  });
  return [...new Set(folders)].sort();
}

/** Problems of the README of one room. @param text undefined if there is none. */
export function checkRoom(folder: string, text: string | undefined, lookup: Lookup): string[] {
  const file = `${folder}/README.md`;
  if (text === undefined) return [`${file}: the room has no README`];
  const problems: string[] = [];
  const lines = text.split('\n').filter((line) => line.trim() !== '').length;
  if (lines < LINES_MIN || lines > LINES_MAX) {
    problems.push(`${file}: ${lines} lines of text, ${LINES_MIN} to ${LINES_MAX} are wanted`);
  }
  const places = PARTS.map((part) => text.indexOf(part));
  PARTS.forEach((part, i) => {
    if (places[i]! < 0) problems.push(`${file}: does not say ${part}`);
    else if (i > 0 && places[i]! < places[i - 1]!)
      problems.push(`${file}: ${part} is out of order`);
  });
  return [...problems, ...checkNamedFiles(file, text, [folder, ''], lookup)];
}

/**
 * Problems of the files that a page names in backticks, and of the names it says they hold:
 * `chain.ts`, `planes/chain-link.ts`, `repo/layout.ts: dlvLayout`.
 * @param roots  folders that such a path may start from.
 */
export function checkNamedFiles(
  file: string,
  text: string,
  roots: readonly string[],
  lookup: Lookup,
): string[] {
  const problems: string[] = [];
  for (const [, named, symbol] of text.matchAll(/`([\w./-]+\.(?:ts|c|h|mjs))(?:: (\w+))?`/g)) {
    const found = roots.flatMap((root) => lookup(path.posix.join(root, named!)) ?? []);
    if (found.length === 0) problems.push(`${file}: names '${named}', which does not exist`);
    else if (symbol && !found.some((source) => new RegExp(`\\b${symbol}\\b`).test(source))) {
      problems.push(`${file}: '${named}' has no '${symbol}'`);
    }
  }
  for (const [, folder] of text.matchAll(/`([\w-]+\/(?:[\w-]+\/)*)`/g)) {
    if (roots.every((root) => lookup(path.posix.join(root, folder!)) === undefined)) {
      problems.push(`${file}: names the folder '${folder}', which does not exist`);
    }
  }
  return problems;
}
