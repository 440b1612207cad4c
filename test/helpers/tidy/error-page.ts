/** The error table in the code and docs/errors.md say the same, in the same order. */

/** One row: code, class, exit code. */
export interface ErrorRow {
  code: string;
  class: string;
  exit: number;
}

/** Reads the sections `## CODE` with their line ``Class `X` · exit code N``. */
export function parseErrorPage(markdown: string): ErrorRow[] {
  const sections = markdown.split(/^## /m).slice(1);
  return sections
    .filter((section) => section.startsWith('DLV_'))
    .map((section) => {
      const head = /^(DLV_[A-Z_]+)\n+Class `(\w+)` · exit code (\d+)\.\n/.exec(section);
      if (!head)
        throw new Error(`section '${section.slice(0, 40)}' has no line of class and exit code`);
      return { code: head[1]!, class: head[2]!, exit: Number(head[3]) };
    });
}
