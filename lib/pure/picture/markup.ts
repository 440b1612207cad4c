/**
 * Markup that only templates can make: `html\`<td title="${name}">${text}</td>\``.
 *
 * What a template holds literally is trusted, because this project wrote it; what is put into it is text
 * and is escaped, unless it is markup that another template made. The literal parts are parsed once: they
 * have to be well-formed, and values may stand only between tags and within the quotes of attributes
 * that run nothing and load nothing. So no value can become a tag, an attribute, a script or an address.
 */
import { printable } from '../../base/bytes/printable.js';
import { BugError } from '../../base/errors.js';

/** What lets a template, and nothing else, make markup. */
const KEY = Symbol('made by a template');

/** Well-formed markup. Text of strangers in it is escaped. */
export class Markup {
  readonly #text: string;

  /** @param key  kept in this file, so that only templates make markup. */
  constructor(key: typeof KEY, text: string) {
    if (key !== KEY) throw new BugError('markup is made by templates alone');
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** What may be put into a template. Lists are joined; null, undefined and false are nothing. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** Where a value stands: between tags, or in the quotes of an attribute. */
type Place = 'text' | 'attribute';

const known = new WeakMap<TemplateStringsArray, readonly Place[]>();

/** Makes markup. @throws {BugError} for a template that is not well-formed or puts a value where it may not be. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let places = known.get(parts);
  if (places === undefined) {
    // An array that code made, and not the language from a literal, may hold anything.
    if (!Object.isFrozen(parts) || !Object.isFrozen(parts.raw)) {
      throw new BugError('markup is made by templates alone');
    }
    // The command in one file is read as Latin-1, and raw text of a template cannot be escaped for that.
    if (parts.raw.some((part) => /[^\0-\x7f]/.test(part))) {
      throw new BugError(
        'a template of markup is wrong: it is not ASCII; write \\u2026 for \u2026',
      );
    }
    places = new TemplateReader(parts).places();
    known.set(parts, places);
  }
  let text = parts[0] as string;
  values.forEach((value, i) => {
    text += (places[i] === 'attribute' ? attributeText(value) : contentText(value)) + parts[i + 1];
  });
  return new Markup(KEY, text);
}

/** Several pieces one after another, each on a line of its own. */
export function lines(contents: readonly Content[]): Markup {
  return new Markup(KEY, contents.map(contentText).filter(Boolean).join('\n'));
}

/** Text as it stands between tags or in quotes: what is invisible or turns lines is written out. */
export function escapeText(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function contentText(value: Content): string {
  if (value instanceof Markup) return String(value);
  if (value === null || value === undefined || value === false) return '';
  if (Array.isArray(value)) return value.map(contentText).join('');
  return escapeText(String(value));
}

function attributeText(value: Content): string {
  if (typeof value === 'string' || typeof value === 'number') return escapeText(String(value));
  if (value === null || value === undefined || value === false) return '';
  throw new BugError('an attribute takes a text, not markup');
}

/** Attributes that take values: none of them runs or loads anything. */
const TAKES_VALUES =
  /^(class|id|for|title|lang|role|value|datetime|scope|colspan|rowspan|width|height|viewBox|x|y|x1|x2|y1|y2|cx|cy|r|rx|ry|dx|dy|d|points|transform|text-anchor|opacity|textLength|aria-[a-z]+|data-[a-z]+)$/;
const NAME = /^[A-Za-z][A-Za-z0-9-]*/;
/** Elements whose content is no markup. */
const FOREIGN = new Set([
  'script',
  'style',
  'iframe',
  'object',
  'embed',
  'foreignObject',
  'base',
  'link',
]);

/** Reads the literal parts of a template as XML. */
class TemplateReader {
  readonly #parts: readonly string[];
  #part = 0;
  #at = 0;
  readonly #open: string[] = [];
  readonly #places: Place[] = [];

  constructor(parts: readonly string[]) {
    this.#parts = parts;
  }

  /** The place of each value. */
  places(): readonly Place[] {
    for (;;) {
      const rest = this.#rest();
      const tag = rest.indexOf('<');
      const text = tag < 0 ? rest : rest.slice(0, tag);
      if (/[>]|&(?!(amp|lt|gt|quot|nbsp|#\d+);)/.test(text))
        this.#fail(`'${text.trim()}' is not escaped`);
      if (tag >= 0) {
        this.#at += tag;
        this.#readTag();
        continue;
      }
      if (this.#part === this.#parts.length - 1) break;
      this.#places.push('text');
      this.#nextPart();
    }
    if (this.#open.length > 0) this.#fail(`<${this.#open.at(-1)}> is not closed`);
    return this.#places;
  }

  #rest(): string {
    return (this.#parts[this.#part] as string).slice(this.#at);
  }

  #nextPart(): void {
    this.#part += 1;
    this.#at = 0;
  }

  #take(pattern: RegExp, what: string): string {
    const [found] = pattern.exec(this.#rest()) ?? [];
    if (found === undefined) this.#fail(`${what} is expected`);
    this.#at += found.length;
    return found;
  }

  #readTag(): void {
    const closing = this.#rest().startsWith('</');
    this.#at += closing ? 2 : 1;
    const name = this.#take(NAME, 'the name of a tag');
    if (FOREIGN.has(name)) this.#fail(`<${name}> may not be in a template`);
    if (closing) {
      this.#take(/^>/, "'>'");
      const open = this.#open.pop();
      if (open !== name) this.#fail(`</${name}> closes <${open ?? ''}>`);
      return;
    }
    for (;;) {
      const end = /^\s*(\/?)>/.exec(this.#rest());
      if (end !== null) {
        this.#at += end[0].length;
        if (end[1] === '') this.#open.push(name);
        return;
      }
      this.#take(/^\s+/, 'a space');
      this.#readAttribute();
    }
  }

  #readAttribute(): void {
    const name = this.#take(/^[A-Za-z][A-Za-z0-9:-]*/, 'the name of an attribute');
    if (/^(on|style$|src|xlink)/i.test(name)) this.#fail(`${name} may not be in a template`);
    this.#take(/^="/, '="');
    // An address is a place in the same page.
    if (name === 'href' && !this.#rest().startsWith('#')) this.#fail('href leads out of the page');
    for (;;) {
      const literal = this.#take(/^[^"<]*/, 'a value');
      if (/&(?!(amp|lt|gt|quot|#\d+);)/.test(literal)) this.#fail(`'${literal}' is not escaped`);
      if (this.#rest() !== '') break;
      if (this.#part === this.#parts.length - 1) this.#fail(`${name} has no end`);
      if (name !== 'href' && !TAKES_VALUES.test(name)) this.#fail(`${name} takes no value`);
      this.#places.push('attribute');
      this.#nextPart();
    }
    this.#take(/^"/, 'a quote');
  }

  #fail(what: string): never {
    throw new BugError(`a template of markup is wrong: ${what}`);
  }
}

/** The constant parts of a page; `style` and `script` are this project's own. */
export interface Page {
  title: string;
  style: string;
  script: string;
  body: Markup;
  /** base64 of the sha256 of a text, as content security policies name it. */
  hash(text: string): string;
}

/**
 * A whole document. It may load nothing and run nothing but its own style and script, which the policy
 * names by their hashes.
 */
export function page({ title, style, script, body, hash }: Page): string {
  if (/<\/|<!--/.test(style + script)) throw new BugError('a style or script would end early');
  const policy =
    `default-src 'none'; style-src 'sha256-${hash(style)}'; script-src 'sha256-${hash(script)}'; ` +
    "base-uri 'none'; form-action 'none'";
  return (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n' +
    `<meta http-equiv="Content-Security-Policy" content="${policy}"/>\n` +
    '<meta name="referrer" content="no-referrer"/>\n' +
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n' +
    '<meta name="color-scheme" content="light dark"/>\n' +
    `<title>${escapeText(title)}</title>\n<style>${style}</style>\n</head>\n` +
    `<body>\n${body}\n<script>${script}</script>\n</body>\n</html>\n`
  );
}
