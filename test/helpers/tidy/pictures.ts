/**
 * The pictures of ARCHITECTURE.md: a sequence diagram says which room calls what in which, and a list
 * of hops which function of which file goes on. Both are compared with the code.
 */
import path from 'node:path';
import { type ImportTable, parseImports, roomOf, withoutComments } from './imports.js';

/** Boxes of a picture, and hops of a list. */
export const BOXES_MAX = 7;
export const HOPS_MAX = 6;

const PICTURE = /```mermaid\nsequenceDiagram\n([\s\S]*?)```/g;
const HOPS = /<!-- hops -->([\s\S]*?)<!-- \/hops -->/g;
const CALL = /^\s*(\w+)->>(\w+): (\w+)/;

/** Sequence diagrams of a page, as their lines. */
export function parsePictures(markdown: string): string[][] {
  return [...markdown.matchAll(PICTURE)].map(([, body]) => body!.trim().split('\n'));
}

/**
 * Problems of one diagram: too many boxes, a call that its room may not make, or that is not in the code.
 * @param sources  text of lib by path in the project.
 */
export function checkPicture(
  lines: readonly string[],
  table: ImportTable,
  sources: ReadonlyMap<string, string>,
): string[] {
  const boxes = lines.flatMap((line) => /^\s*participant (\w+)/.exec(line)?.[1] ?? []);
  const problems: string[] = [];
  if (boxes.length > BOXES_MAX) problems.push(`${boxes.length} boxes, at most ${BOXES_MAX}`);
  const textOf = (room: string): string =>
    [...sources]
      .flatMap(([file, text]) => (roomOf(file) === room ? withoutComments(text) : []))
      .join('\n');
  for (const line of lines) {
    const [, from, to, name] = CALL.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    for (const room of [from, to]) {
      if (!boxes.includes(room)) problems.push(`'${room}' has no box`);
    }
    if (from !== to && !table.get(from)?.has(to)) problems.push(`${from} may not import ${to}`);
    const defined = new RegExp(`(function\\*?|^  (async )?\\*?)\\s*${name}\\b[<(]`, 'm');
    if (!defined.test(textOf(to))) problems.push(`${to} has no '${name}'`);
    if (!new RegExp(`(?<!function\\*? )\\b${name}\\(`).test(textOf(from))) {
      problems.push(`${from} does not call '${name}'`);
    }
  }
  return problems;
}

/** Lists of hops of a page: `file: function`, one after another. */
export function parseHops(markdown: string): { file: string; name: string }[][] {
  return [...markdown.matchAll(HOPS)].map(([, body]) =>
    [...body!.matchAll(/`([\w./-]+\.ts): (\w+)`/g)].map(([, file, name]) => {
      return { file: file!, name: name! };
    }),
  );
}

/** Problems of a list of hops: too long, or a file that does not call the next one's function. */
export function checkHops(
  hops: readonly { file: string; name: string }[],
  sources: ReadonlyMap<string, string>,
): string[] {
  const problems = hops.length > HOPS_MAX ? [`${hops.length} hops, at most ${HOPS_MAX}`] : [];
  const place = (file: string): string =>
    [...sources.keys()].find((known) => known.endsWith(`/${file}`)) ?? file;
  hops.slice(1).forEach((next, index) => {
    const from = place(hops[index]!.file);
    const text = sources.get(from) ?? '';
    const targets = parseImports(text).map((specifier) =>
      path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts'),
    );
    if (!targets.includes(place(next.file)) || !text.includes(`${next.name}(`)) {
      problems.push(`${hops[index]!.file} does not call '${next.name}' of ${next.file}`);
    }
  });
  return problems;
}
