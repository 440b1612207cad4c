/** Checks of a page of `--html`, made independently of what writes pages. */
import { createHash } from 'node:crypto';

/** Elements that are not closed by a tag of their own. */
const EMPTY = /\/\s*$/;

/** Everything that is wrong with a page; nothing for one that is well-formed and loads nothing. */
export function pageProblems(page: string): string[] {
  const problems: string[] = [];
  const head = '<!doctype html>\n';
  if (!page.startsWith(head)) problems.push('it does not begin with <!doctype html>');
  const style = contentOf(page, 'style');
  const script = contentOf(page, 'script');
  if (style.length !== 1 || script.length !== 1) problems.push('not one style and one script');
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '';
  for (const [name, text] of [
    ['style-src', style[0] ?? ''],
    ['script-src', script[0] ?? ''],
  ] as const) {
    const hash = createHash('sha256').update(text).digest('base64');
    if (!policy.includes(`${name} 'sha256-${hash}'`)) problems.push(`${name} has another hash`);
  }
  if (!policy.startsWith("default-src 'none';")) problems.push('the policy is not strict');
  const rest = page
    .slice(head.length)
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/<script>[\s\S]*?<\/script>/, '');
  problems.push(...markupProblems(rest), ...spokenProblems(rest));
  if (Buffer.byteLength(page) > 2_000_000) problems.push(`${Buffer.byteLength(page)} bytes`);
  return problems;
}

/** What a reader of the screen could not say: a header without a word, a box to scroll without a name, two landmarks alike. */
function spokenProblems(text: string): string[] {
  const problems: string[] = [];
  for (const [head] of text.matchAll(/<th\b[^>]*>\s*<\/th>/g)) problems.push(`no word: ${head}`);
  for (const [box] of text.matchAll(/<[^>]*\stabindex="0"[^>]*>/g)) {
    if (!/\saria-label="[^"]+"/.test(box)) problems.push(`no name: ${box}`);
    if (/\srole="region"/.test(box)) problems.push(`a landmark in its section: ${box}`);
  }
  for (const [, id] of text.matchAll(/aria-labelledby="([^"]*)"/g)) {
    if (!text.includes(` id="${id}"`)) problems.push(`nothing has the id ${id}`);
  }
  return problems;
}

function contentOf(page: string, tag: string): string[] {
  return page
    .split(`<${tag}>`)
    .slice(1)
    .map((rest) => rest.slice(0, rest.indexOf(`</${tag}>`)));
}

/** What is not XML, what would run, and what would load something. */
function markupProblems(text: string): string[] {
  const problems: string[] = [];
  const open: string[] = [];
  const ids = new Set<string>();
  let at = 0;
  while (at < text.length) {
    const start = text.indexOf('<', at);
    const between = text.slice(at, start < 0 ? text.length : start);
    if (/>|&(?!(amp|lt|gt|quot|nbsp|#39|#\d+);)/.test(between)) {
      problems.push(`not escaped: ${JSON.stringify(between.slice(0, 80))}`);
    }
    if (start < 0) break;
    const tag =
      /^<(\/?)([A-Za-z][A-Za-z0-9]*)((?:\s+[A-Za-z][A-Za-z0-9:-]*="[^"<]*")*)\s*(\/?)>/.exec(
        text.slice(start, start + 200_000),
      );
    if (tag === null) return [...problems, `no tag: ${text.slice(start, start + 80)}`];
    const [whole, closing, name = '', attributes = '', empty] = tag;
    const names = attributes.replace(/="[^"]*"/g, '=""');
    at = start + whole.length;
    if (/^(script|style|iframe|object|embed|link|base|img|form|foreignObject|a)$/.test(name)) {
      const isPlace = name === 'a' && (closing !== '' || /^\s+href="#[\w-]+"$/.test(attributes));
      if (!isPlace) problems.push(`<${name}${attributes}>`);
    }
    if (/\s(on\w+|style|src\w*|xlink:\w+|action|data)=/i.test(names)) problems.push(whole);
    const id = /\sid="([^"]*)"/.exec(attributes)?.[1];
    if (id !== undefined) {
      if (ids.has(id)) problems.push(`two elements have the id ${id}`);
      ids.add(id);
    }
    if (closing !== '') {
      const last = open.pop();
      if (last !== name) problems.push(`</${name}> closes <${last}>`);
    } else if (empty === '' && !EMPTY.test(attributes)) open.push(name);
  }
  if (open.length > 0) problems.push(`not closed: ${open.join(' ')}`);
  return problems;
}
