/**
 * `hparams.yaml` as Lightning writes it: settings in the subset of YAML that PyYAML dumps. Nested settings,
 * lists and quoted texts are read; objects of Python, anchors and texts over several lines are left out.
 */
import { LogCollector, type LogContent } from '../log-content.js';
import type { ParamValue } from '../param-value.js';

/** True for a file of this name. */
export function isHparamsFile(name: string): boolean {
  return /(^|\/)hparams\.ya?ml$/.test(name);
}

interface Line {
  indent: number;
  text: string;
}

/** What the file says; never fails: lines that it cannot read are counted. */
export function readHparams(bytes: Uint8Array): LogContent {
  const collector = new LogCollector('hparams');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const lines: Line[] = [];
  for (const raw of text.split(/\r?\n/)) {
    const trimmed = raw.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed === '---' || trimmed === '{}')
      continue;
    lines.push({ indent: raw.length - raw.trimStart().length, text: trimmed });
  }
  let unread = 0;
  /** Names of the settings around, with their indents. */
  const around: { indent: number; name: string }[] = [];
  for (let at = 0; at < lines.length; at++) {
    const { indent, text: line } = lines[at] as Line;
    while ((around.at(-1)?.indent ?? -1) >= indent) around.pop();
    const found = keyOf(line);
    if (found === null) {
      unread++;
      continue;
    }
    const name = [...around.map((one) => one.name), found.key].join('.');
    const next = lines[at + 1];
    if (found.rest !== '') {
      const value = scalarOf(found.rest);
      if (value === undefined) unread++;
      else collector.param(name, value);
      // An object of Python is followed by its parts.
      if (value === undefined) while ((lines[at + 1]?.indent ?? -1) > indent) at++;
    } else if (next?.text.startsWith('-') && next.indent >= indent) {
      const items = listFrom(lines, at + 1, next.indent);
      at = items.end - 1;
      if (items.values === null) unread++;
      else collector.param(name, items.values);
    } else if (next !== undefined && next.indent > indent) {
      around.push({ indent, name: found.key });
    } else collector.param(name, null);
  }
  const what = `${unread} ${unread === 1 ? 'setting is' : 'settings are'} no plain values`;
  if (unread > 0) collector.problem = what;
  return collector.finish();
}

/** `key: rest`; null for anything else. */
function keyOf(line: string): { key: string; rest: string } | null {
  const [, quoted, plain, rest = ''] =
    /^(?:["']([^"']+)["']|([^\s"'\-[{][^:]*|-?[\w][^:]*)):(?:\s+(.*))?$/.exec(line) ?? [];
  const key = quoted ?? plain;
  return key === undefined ? null : { key: key.trim(), rest: rest.trim() };
}

/** Items of a list of plain values; values null if one is none. */
function listFrom(
  lines: readonly Line[],
  from: number,
  indent: number,
): { values: ParamValue[] | null; end: number } {
  const values: ParamValue[] = [];
  let isPlain = true;
  let end = from;
  for (; end < lines.length; end++) {
    const { indent: own, text } = lines[end] as Line;
    if (own < indent || (own === indent && !/^-(\s|$)/.test(text))) break;
    const value = own === indent ? scalarOf(text.slice(1).trim()) : undefined;
    if (value === undefined || keyOf(text.slice(1).trim()) !== null) isPlain = false;
    else values.push(value);
  }
  return { values: isPlain ? values : null, end };
}

/** A value on one line; undefined for what is none. */
function scalarOf(text: string): ParamValue | undefined {
  if (/^[!&*|>]/.test(text)) return undefined;
  const [, double] = /^"((?:[^"\\]|\\.)*)"(?:\s+#.*)?$/.exec(text) ?? [];
  if (double !== undefined) {
    try {
      return JSON.parse(`"${double}"`) as string;
    } catch {
      return undefined;
    }
  }
  const [, single] = /^'((?:[^']|'')*)'(?:\s+#.*)?$/.exec(text) ?? [];
  if (single !== undefined) return single.replaceAll("''", "'");
  if (/^["']/.test(text)) return undefined;
  const plain = text.replace(/\s+#.*$/, '');
  if (plain.startsWith('[')) return flowList(plain);
  if (plain.startsWith('{')) return undefined;
  if (/^(null|~|)$/i.test(plain)) return null;
  if (/^(true|false)$/i.test(plain)) return plain.toLowerCase() === 'true';
  if (/^[-+]?(\d[\d_]*)(\.\d*)?(e[-+]?\d+)?$|^[-+]?\.\d+(e[-+]?\d+)?$/i.test(plain)) {
    const number = Number(plain.replaceAll('_', ''));
    return Number.isSafeInteger(number) || !/^[-+]?\d+$/.test(plain) ? number : plain;
  }
  return plain;
}

/** `[1, 2, a]` without lists inside. */
function flowList(text: string): ParamValue[] | undefined {
  if (!text.endsWith(']')) return undefined;
  const inside = text.slice(1, -1).trim();
  if (inside === '') return [];
  if (/[[\]{}"']/.test(inside)) return undefined;
  const values = inside.split(',').map((item) => scalarOf(item.trim()));
  return values.some((value) => value === undefined) ? undefined : (values as ParamValue[]);
}
