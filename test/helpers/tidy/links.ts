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

/** Problems of the pages that any file mentions as `docs/….md`. */
export function checkMentions(file: string, text: string, lookup: Lookup): string[] {
  return [...text.matchAll(/(?<![\w./-])docs\/[\w./-]+\.md\b/g)]
    .filter(([page]) => lookup(page) === undefined)
    .map(([page]) => `${file}: mentions '${page}', which does not exist`);
}
