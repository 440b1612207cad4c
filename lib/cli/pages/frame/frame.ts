/** A whole page around its sections. */
import { createHash } from 'node:crypto';
import { type Content, html, lines, type Markup, page } from '../../../pure/picture/markup.js';
import type { Section } from '../parts.js';
import { PAGE_SCRIPT } from './script.js';
import { PAGE_STYLE } from './style.js';

/** Where a page comes from, as its end says. */
export interface PageOrigin {
  /** Version of dlv. */
  dlv: string;
  /** Name of the folder of the repository; null if there is none. */
  repository: string | null;
  /** The command that made it: what follows `dlv`. */
  command: readonly string[];
}

export interface PageParts {
  title: string;
  /** Below the title. */
  lead?: Content;
  sections: readonly (Section | null)[];
  /** What else has to be known, at the end: full ids, how numbers were got. */
  notes?: readonly string[];
  origin: PageOrigin;
}

/** A whole page. Equal parts give equal bytes. */
export function pageOf({ title, lead, sections, notes = [], origin }: PageParts): string {
  const shown = sections.filter((section) => section !== null);
  const links = shown.map(({ id, title: name }) => html`<a href="#${id}">${name}</a>`);
  const nav = shown.length > 1 ? html`<nav aria-label="sections">${links}</nav>` : null;
  const body = lines([
    html`<header><div><h1>${title}</h1>${lead}</div></header>`,
    html`<main>${nav}${shown.map(sectionOf)}</main>`,
    footerOf(origin, notes),
  ]);
  return page({
    title: `${title} · dlv`,
    style: PAGE_STYLE,
    script: PAGE_SCRIPT,
    body,
    hash: (text) => createHash('sha256').update(text).digest('base64'),
  });
}

function sectionOf({ id, title, body }: Section): Markup {
  return html`
<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${body}
</section>`;
}

function footerOf({ dlv, repository, command }: PageOrigin, notes: readonly string[]): Markup {
  const words = command.map((word) =>
    /^[\w./:=@,^~%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  const where = repository === null ? null : html` in the repository <b>${repository}</b>`;
  return html`<footer>${notes.map((note) => html`<p>${note}</p>`)}<p>Made by dlv ${dlv}${where}: <code>dlv ${words.join(' ')}</code></p></footer>`;
}
