/**
 * The direction of imports: what a file imports, which room it is in, what the table allows.
 *
 * Pure: everything takes text. A room is a folder or file of a layer (`lib/pure/codec`,
 * `lib/base/errors.ts`), a folder or file directly in lib/ (cli, index), or `bin`.
 */
import path from 'node:path';

/** Room → rooms it may import. */
export type ImportTable = ReadonlyMap<string, ReadonlySet<string>>;

/** Rooms that every room may import. */
export const FREE_ROOMS: readonly string[] = ['errors', 'limits'];

/** Folders of lib/ that hold rooms, the lowest first. */
export const LAYERS: readonly string[] = ['base', 'pure', 'storage', 'knowledge', 'use'];

const TABLE = /<!-- imports -->([\s\S]*?)<!-- \/imports -->/;
const STATIC = /^(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm;
const BARE = /^import\s*['"]([^'"]+)['"]/gm;
const DYNAMIC = /\b(?:import|require)\(\s*['"`]([^'"`]+)['"`]/g;

/** Removes block comments and whole-line comments, so that an example in one is no import. */
export function withoutComments(source: string): string {
  return source.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');
}

/** The specifiers that a source imports, in any form. */
export function parseImports(source: string): string[] {
  const text = withoutComments(source);
  return [STATIC, BARE, DYNAMIC].flatMap((form) => [...text.matchAll(form)].map((m) => m[1]!));
}

/** The room of a project path, or undefined for a file outside lib/ and bin/. */
export function roomOf(file: string): string | undefined {
  const parts = file.split('/');
  if (parts[0] === 'bin') return 'bin';
  if (parts[0] !== 'lib') return undefined;
  const room = LAYERS.includes(parts[1]!) ? parts[2]! : parts[1]!;
  return room.replace(/\.ts$/, '');
}

/** Reads the table between the `imports` markers: its last three columns are
 * room, what it owns, what it may import; `–` means none. */
export function parseImportTable(markdown: string): Map<string, Set<string>> {
  const block = TABLE.exec(markdown)?.[1];
  if (block === undefined)
    throw new Error('no table between <!-- imports --> and <!-- /imports -->');
  const table = new Map<string, Set<string>>();
  for (const line of block.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const named = cells.at(-4);
    if (named === undefined || named === 'room' || /^:?-+:?$/.test(named)) continue;
    const allowed = cells.at(-2)!.split(/[\s,]+/);
    for (const room of named.split(/[\s,]+/)) {
      if (table.has(room)) throw new Error(`the room '${room}' stands twice in the table`);
      table.set(room, new Set(allowed.filter((name) => name !== '–' && name !== '')));
    }
  }
  return table;
}

/** Problems of one file: imports of rooms or packages that it may not use. */
export function checkImports(
  file: string,
  source: string,
  table: ImportTable,
  packages: readonly string[],
): string[] {
  const room = roomOf(file)!;
  const allowed = table.get(room);
  const problems: string[] = [];
  for (const specifier of parseImports(source)) {
    if (specifier.startsWith('node:')) continue;
    if (!specifier.startsWith('.')) {
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      if (!packages.includes(name)) problems.push(`${file}: '${name}' is not a dependency`);
      continue;
    }
    const target = roomOf(
      path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, ''),
    );
    if (target === room || FREE_ROOMS.includes(target ?? '')) continue;
    if (!target) problems.push(`${file}: '${specifier}' is outside lib`);
    else if (!allowed?.has(target)) problems.push(`${file}: ${room} may not import ${target}`);
  }
  return problems;
}

/** What the table allows and no file uses. @param sources  text by path in the project. */
export function checkUnused(table: ImportTable, sources: ReadonlyMap<string, string>): string[] {
  const used = new Map<string, Set<string>>();
  for (const [file, source] of sources) {
    const room = roomOf(file)!;
    const targets = used.get(room) ?? new Set<string>();
    used.set(room, targets);
    for (const specifier of parseImports(source)) {
      if (!specifier.startsWith('.')) continue;
      const target = path.posix.join(path.posix.dirname(file), specifier);
      targets.add(roomOf(target.replace(/\.js$/, '')) ?? '');
    }
  }
  return [...table].flatMap(([room, allowed]) =>
    [...allowed]
      .filter((target) => !used.get(room)?.has(target))
      .map((target) => `'${room}' may import '${target}', which no file of it does`),
  );
}

/** Files of ops that every op may import: how a repository is opened. */
const SHARED_OPS: readonly string[] = ['./with-repository.js'];

/** Problems of one file of ops: what two ops share belongs in a room below them. */
export function checkOp(file: string, source: string): string[] {
  if (!file.startsWith('lib/use/ops/')) return [];
  return parseImports(source)
    .filter((name) => name.startsWith('./') && !SHARED_OPS.includes(name))
    .map((name) => `${file}: an op imports the op '${name}'`);
}

/** Problems between the rooms of the code and the table: one without the other, or a circle. */
export function checkTable(table: ImportTable, rooms: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  for (const room of rooms) {
    if (!table.has(room)) problems.push(`the room '${room}' is not in the import table`);
  }
  for (const [room, allowed] of table) {
    if (!rooms.has(room)) problems.push(`the import table names '${room}', which does not exist`);
    for (const target of allowed) {
      if (!table.has(target)) problems.push(`'${room}' may import '${target}', which has no row`);
      if (reaches(table, target, room)) problems.push(`'${room}' and '${target}' form a circle`);
    }
  }
  return problems;
}

function reaches(table: ImportTable, from: string, to: string, seen = new Set<string>()): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return [...(table.get(from) ?? [])].some((next) => reaches(table, next, to, seen));
}

/**
 * Circles between files: each file with those of its imports that lead back to it, types included.
 * @param sources  text by path in the project.
 */
export function findCircles(sources: ReadonlyMap<string, string>): string[] {
  const imports = new Map<string, string[]>();
  for (const [file, source] of sources) {
    const targets = parseImports(source)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => {
        const target = path.posix.join(path.posix.dirname(file), specifier);
        return target.replace(/\.js$/, '.ts');
      });
    imports.set(
      file,
      targets.filter((target) => sources.has(target)),
    );
  }
  const reached = new Map<string, Set<string>>();
  const reachedFrom = (start: string): Set<string> => {
    const known = reached.get(start);
    if (known !== undefined) return known;
    const found = new Set<string>();
    const stack = [start];
    for (let file = stack.pop(); file !== undefined; file = stack.pop()) {
      for (const next of imports.get(file) ?? []) {
        if (found.has(next)) continue;
        found.add(next);
        stack.push(next);
      }
    }
    reached.set(start, found);
    return found;
  };
  return [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => target === file || reachedFrom(target).has(file))
      .map((target) => `${file}: imports ${target}, which leads back to it`),
  );
}
