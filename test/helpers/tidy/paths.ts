/** Paths under .dlv: repo/layout.ts alone builds them, from the store's names where they are its own. */
import { withoutComments } from './imports.js';

/** Files that may: those that own the names, and commands, whose examples show them. */
const OWNERS = /^lib\/(storage\/repo\/layout\.ts|storage\/store\/names\.ts|cli\/)/;
/** A folder of the layout joined with something, or a name that begins with one. */
const JOINED = /\bjoin\(\s*[\w.#]*\blayout\.(?!workTree)\w+\b(?!\()/g;
const NAMED = /['"`](?:\.dlv|tmp|trash|packs|logs|catalog|readers|promised)\/[^'"`]*/g;

/** Problems of a source of lib: places that build a path under .dlv by hand. */
export function checkPaths(file: string, source: string): string[] {
  if (!file.startsWith('lib/') || OWNERS.test(file)) return [];
  const text = withoutComments(source);
  return [JOINED, NAMED].flatMap((form) =>
    [...text.matchAll(form)].map(
      ([found]) => `${file}: ${found} builds a path under .dlv, which only repo/layout.ts does`,
    ),
  );
}
