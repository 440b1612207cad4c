/** Links of Markdown files: each relative target exists, each anchor names a heading. */
import path from 'node:path';

/** Reads a project file, or undefined if there is none; a folder reads as ''. */
export type Lookup = (file: string) => string | undefined;

function withoutCode(markdown: string): string {
  return markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').replace(/`[^`\n]*`/g, '');
}

/** The anchors of a Markdown text: its headings in lower case, with hyphens for spaces. */
export function headingAnchors(markdown: string): Set<string> {
  const text = markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
  const anchors = new Set<string>();
  for (const [, heading] of text.matchAll(/^#{1,6} +(.+?)\s*$/gm)) {
    const plain = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    for (let copy = 0; ; copy++) {
      const anchor = copy === 0 ? slug : `${slug}-${copy}`;
      if (anchors.has(anchor)) continue;
      anchors.add(anchor);
      break;
    }
  }
  return anchors;
}

/** Problems of the links of one Markdown file. Addresses with a scheme are not followed. */
export function checkLinks(file: string, markdown: string, lookup: Lookup): string[] {
  const problems: string[] = [];
  for (const [, target] of withoutCode(markdown).matchAll(/\]\(<?([^()\s>]+)>?(?: "[^"]*")?\)/g)) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target!)) continue;
    const [relative = '', anchor] = target!.split('#');
    const resolved = relative ? path.posix.join(path.posix.dirname(file), relative) : file;
    const text = relative ? lookup(resolved) : markdown;
    if (text === undefined) problems.push(`${file}: link to '${target}', which does not exist`);
    else if (anchor && !headingAnchors(text).has(anchor)) {
      problems.push(`${file}: '${target}' names no heading`);
    }
  }
  return problems;
}

const MENTION =
  /(?<![\w./@<>-])(?:docs|lib|test|native|bin|benchmarks)\/[\w./-]+\.(?:md|tsx?|mjs|py|c|h|cc|sh)\b/g;

/** Problems of the files that any text mentions from the folder of the project on: `docs/….md`, `lib/….ts`. */
export function checkMentions(file: string, text: string, lookup: Lookup): string[] {
  return [...text.matchAll(MENTION)]
    .filter(([named]) => lookup(named) === undefined)
    .map(([named]) => `${file}: mentions '${named}', which does not exist`);
}

/**
 * Problems of the sources that comments name in short, such as `manifest.ts` or `cli/run.ts`.
 * @param files  all of the project: such a name is the end of the path of one.
 */
export function checkComments(file: string, source: string, files: readonly string[]): string[] {
  const comments = source
    .split('\n')
    .flatMap((line) => /^\s*(?:\/\*|\*|\/\/)(.*)|\s\/\/ (.*)/.exec(line)?.slice(1) ?? [])
    .join('\n');
  return [...comments.matchAll(/(?<![\w./-])[\w-][\w./-]*\.tsx?\b/g)]
    .filter(([named]) => files.every((one) => one !== named && !one.endsWith(`/${named}`)))
    .map(([named]) => `${file}: a comment names '${named}', which does not exist`);
}
