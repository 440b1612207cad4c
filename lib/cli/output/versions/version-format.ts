/** `--format` of `log` and `show`: git's placeholders, as far as a version has what they stand for. */
import { UsageError } from '../../../base/errors.js';
import type { VersionSummary } from '../../../use/history/versions.js';
import { shortId, subject } from '../render.js';
import { formatTime } from '../ui.js';

/** What a placeholder stands for. */
type Field = (version: VersionSummary, now: Date) => string;

const NAME = /^(.*?)(?: <(.*)>)?$/s;

function author({ author }: VersionSummary): { name: string; email: string } {
  const [, name = '', email = ''] = NAME.exec(author) ?? [];
  return { name, email };
}

/** What is below the subject and the empty line after it. */
function body({ message }: VersionSummary): string {
  return message.split('\n').slice(1).join('\n').replace(/^\n+/, '').trimEnd();
}

const DATES: Readonly<Record<string, Field>> = {
  d: ({ time }) => formatTime(new Date(time)),
  I: ({ time }) => time,
  s: ({ time }) => formatTime(new Date(time)).slice(0, 10),
  t: ({ time }) => String(Math.floor(Date.parse(time) / 1000)),
  r: ({ time }, now) => formatAgo(new Date(time), now),
};

/** Every placeholder and what it stands for, in the order of the help. */
const FIELDS: Readonly<Record<string, Field>> = {
  H: ({ version }) => version,
  h: ({ version }) => shortId(version),
  P: ({ parents }) => parents.join(' '),
  p: ({ parents }) => parents.map(shortId).join(' '),
  s: ({ message }) => subject(message),
  b: body,
  B: ({ message }) => message.trimEnd(),
  an: (version) => author(version).name,
  ae: (version) => author(version).email,
  // One person makes a version at one time: git's committer is its author.
  cn: (version) => author(version).name,
  ce: (version) => author(version).email,
  d: ({ refs }) => (refs.length === 0 ? '' : ` (${refs.join(', ')})`),
  D: ({ refs }) => refs.join(', '),
  M: ({ model }) => model,
  N: ({ number }) => String(number),
  S: ({ step }) => (step === null ? '' : String(step)),
  n: () => '\n',
  '%': () => '%',
};

for (const who of ['a', 'c']) {
  for (const [how, field] of Object.entries(DATES)) {
    (FIELDS as Record<string, Field>)[`${who}${how}`] = field;
  }
}

const METRIC = /^\{([^{}]+)\}/;
const COLOUR = /^C(?:\([^)]*\)|red|green|blue|reset)/;

/** The text that `--help` shows of the placeholders. */
export const FORMAT_HELP =
  '%H %h id, %P %p parents, %s subject, %b body, %B message, %an %ae author, %ad %aI %as %at %ar ' +
  'date, %d %D refs, %M model, %N its number, %S step, %{name} metric or hyperparameter, %n line ' +
  'feed, %% percent';

type Part = string | Field;

/** A format that was read. */
export class VersionFormat {
  readonly #parts: readonly Part[];

  /** @throws {UsageError} for a placeholder that is none. */
  constructor(text: string) {
    this.#parts = parse(text.replace(/^t?format:/, ''));
  }

  format(version: VersionSummary, now: Date = new Date()): string {
    return this.#parts
      .map((part) => (typeof part === 'string' ? part : part(version, now)))
      .join('');
  }
}

function parse(text: string): Part[] {
  const parts: Part[] = [];
  let rest = text;
  while (rest !== '') {
    const at = rest.indexOf('%');
    if (at !== 0) {
      parts.push(at < 0 ? rest : rest.slice(0, at));
      rest = at < 0 ? '' : rest.slice(at);
      continue;
    }
    rest = rest.slice(1);
    const named = METRIC.exec(rest);
    // What git colours is not coloured here, so that formats of git's users work.
    const colour = COLOUR.exec(rest);
    const key = [rest.slice(0, 2), rest.slice(0, 1)].find((word) => Object.hasOwn(FIELDS, word));
    if (named) {
      parts.push(namedValue(named[1] as string));
      rest = rest.slice(named[0].length);
    } else if (colour) rest = rest.slice(colour[0].length);
    else if (key !== undefined) {
      parts.push(FIELDS[key] as Field);
      rest = rest.slice(key.length);
    } else {
      throw new UsageError(`--format has '%${rest.slice(0, 2)}', which is not a placeholder`, {
        option: '--format',
        hint: `there are ${FORMAT_HELP}`,
      });
    }
  }
  return parts;
}

/** A metric, else a hyperparameter; empty if the version has neither. */
function namedValue(name: string): Field {
  return ({ metrics, params }) => {
    if (Object.hasOwn(metrics, name)) return String(metrics[name]);
    const value = Object.hasOwn(params, name) ? params[name] : '';
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
}

const UNITS: readonly (readonly [seconds: number, name: string, below: number])[] = [
  [1, 'second', 90],
  [60, 'minute', 90 * 60],
  [3600, 'hour', 36 * 3600],
  [86_400, 'day', 14 * 86_400],
  [7 * 86_400, 'week', 70 * 86_400],
  [30.44 * 86_400, 'month', 365 * 86_400],
  [365.25 * 86_400, 'year', Number.POSITIVE_INFINITY],
];

/** How long ago a moment was: `3 hours ago`, `2 weeks ago`, `in the future`. */
export function formatAgo(then: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - then.getTime()) / 1000);
  if (seconds < 0) return 'in the future';
  const [length, name] = UNITS.find(([, , below]) => seconds < below) ?? [1, 'second'];
  const count = Math.round(seconds / length);
  return `${count} ${name}${count === 1 ? '' : 's'} ago`;
}
