/**
 * What a version says about how it was made, besides hyperparameters and metrics: the operation, the
 * environment, the data, and for each metric its direction and how many points its series has.
 *
 * One optional extension of the version: an older dlv keeps and ignores it. @see docs/format/version.md
 */

import { Fields } from '../../../base/bytes/msgpack/fields.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../base/bytes/msgpack/msgpack.js';
import { editDistance } from '../../../base/bytes/words/closest.js';
import { CorruptError, UsageError } from '../../../base/errors.js';
import { NAME_BYTES_MAX } from '../../../base/limits.js';
import { comparePaths, isWellFormed } from '../../../pure/paths/version-path.js';
import type { Extension } from './version.js';

/** The usual kinds of work that make a version: one spelling of each, so that versions can be grouped by them. */
const OPERATION_KINDS = [
  ...['train', 'pre-train', 'fine-tune', 'distill', 'prune', 'quantize', 'convert', 'merge'],
  ...['slice', 'construct'],
] as const;

/** Other spellings, without hyphens. */
const SPELLINGS: Readonly<Record<string, string>> = { distil: 'distill', quantise: 'quantize' };
/** A word so long may be two edits from a usual kind and still be meant to be it. */
const LONG_WORD = 8;

/** A kind of work as it is recorded: in lower case, a usual one in its usual spelling. */
export function plainOperation(kind: string): string {
  const plain = kind.trim().toLowerCase();
  const bare = plain.replace(/[-_ ]/g, '');
  const meant = SPELLINGS[bare] ?? bare;
  return OPERATION_KINDS.find((one) => one.replace('-', '') === meant) ?? plain;
}

/** Why a kind of work cannot be recorded, and what may be meant; null if it can. Any word may be one, but no misspelt usual one. */
export function operationProblem(kind: string): { problem: string; hint: string } | null {
  const usual: readonly string[] = OPERATION_KINDS;
  if (usual.includes(kind)) return null;
  const listed = `usual kinds are ${OPERATION_KINDS.join(', ')}`;
  const problem = nameProblem(kind, `the operation '${kind}'`);
  if (problem !== null) return { problem, hint: `${listed}; any other word may be one as well` };
  const edits = kind.length < LONG_WORD ? 1 : 2;
  const near = usual.find((one) => editDistance(kind.toLowerCase(), one) <= edits);
  if (near === undefined) return null;
  return { problem: `unknown operation '${kind}'`, hint: `did you mean '${near}'? ${listed}` };
}

/** The recorded operation that made a version. */
export interface Operation {
  /** A usual kind, such as `prune`, or any other word. */
  kind: string;
  /** More about it; may be empty. */
  detail: string;
}

/** A name and a text. */
export interface NamedText {
  name: string;
  text: string;
}

/** What is known of a metric besides the points that the version lists. */
export interface MetricFacts {
  name: string;
  /** Whether less or more is better, if that was declared. */
  direction: 'min' | 'max' | null;
  /** Points of its series, of which the version lists the telling ones alone; null if it lists all. */
  count: number | null;
}

export interface Knowledge {
  operation: Operation | null;
  /** By name; names are unique. */
  environment: NamedText[];
  /** Ids of data sets; by name, names are unique. */
  data: NamedText[];
  /** By name; names are unique. */
  metrics: MetricFacts[];
  /** Name of the log of the version that holds the series of its metrics (series.ts), or null. */
  series: string | null;
}

const TAG = 'knowledge';
const FORMAT = 1;
const DIRECTIONS = [null, 'min', 'max'] as const;

/** Nothing is known. */
export function noKnowledge(): Knowledge {
  return { operation: null, environment: [], data: [], metrics: [], series: null };
}

function nameProblem(text: string, what: string): string | null {
  if (text === '' || !isWellFormed(text) || /\p{Cc}/u.test(text)) return `${what} is no name`;
  if (Buffer.byteLength(text) > NAME_BYTES_MAX) return `${what} is over ${NAME_BYTES_MAX} bytes`;
  return null;
}

function textProblem(text: string, what: string): string | null {
  return text === '' ? null : nameProblem(text, what);
}

function ascending(rows: readonly { name: string }[]): boolean {
  return rows.every((row, i) => i === 0 || comparePaths(rows[i - 1]?.name ?? '', row.name) < 0);
}

function knowledgeProblem(knowledge: Knowledge): string | null {
  const { operation, environment, data, metrics, series } = knowledge;
  const problems = [
    operation && nameProblem(operation.kind, 'the operation'),
    operation && textProblem(operation.detail, 'the detail of the operation'),
    series === null ? null : nameProblem(series, 'the log of series'),
    ...[...environment, ...data].flatMap(({ name, text }) => [
      nameProblem(name, `'${name}'`),
      textProblem(text, `the text of '${name}'`),
    ]),
    ...metrics.map(({ name }) => nameProblem(name, 'the name of a metric')),
  ];
  const found = problems.find((problem) => problem !== null);
  if (found !== undefined) return found;
  if (![environment, data, metrics].every(ascending)) return 'a name stands twice';
  return null;
}

const byName = (a: { name: string }, b: { name: string }): number => comparePaths(a.name, b.name);
const pairs = (rows: readonly NamedText[]): Packed => rows.map(({ name, text }) => [name, text]);

/**
 * The extension, or none if nothing is known; lists may be in any order.
 * @throws {UsageError} DLV_USAGE if a text is out of bounds, or a name stands twice in a list.
 */
export function knowledgeExtension(draft: Knowledge): Extension[] {
  const { operation, series } = draft;
  const environment = [...draft.environment].sort(byName);
  const data = [...draft.data].sort(byName);
  const metrics = draft.metrics
    .filter(({ direction, count }) => direction !== null || count !== null)
    .sort(byName);
  if (operation === null && series === null && [environment, data, metrics].every(isEmpty)) {
    return [];
  }
  const problem = knowledgeProblem({ operation, environment, data, metrics, series });
  if (problem !== null) throw new UsageError(`cannot make this version: ${problem}`);
  const value = encodeCanonical([
    FORMAT,
    operation === null ? null : [operation.kind, operation.detail],
    pairs(environment),
    pairs(data),
    metrics.map(({ name, direction, count }) => [name, DIRECTIONS.indexOf(direction), count]),
    series,
  ]);
  return [{ tag: TAG, value }];
}

function isEmpty(rows: readonly unknown[]): boolean {
  return rows.length === 0;
}

/** True for the extension that this file makes. */
export function isKnowledge({ tag }: Extension): boolean {
  return tag === TAG;
}

/**
 * The mirror of knowledgeExtension. What a later dlv wrote in a form of its own is as if it were not there.
 * @param file names the version in errors. @throws {CorruptError} DLV_CORRUPT
 */
export function readKnowledge(extensions: readonly Extension[], file: string): Knowledge {
  const found = extensions.find(isKnowledge);
  if (found === undefined) return noKnowledge();
  const f = new Fields(decodeCanonical(found.value, file), file);
  if (f.count('form of knowledge') > FORMAT) return noKnowledge();
  const operation = f.any('operation');
  const knowledge: Knowledge = {
    operation: operation === null ? null : readOperation(operation, file),
    environment: readPairs(f, 'environment'),
    data: readPairs(f, 'data'),
    metrics: f.array('metrics').map((row) => readFacts(row, file)),
    series: f.optionalString('log of series'),
  };
  f.end();
  const problem = knowledgeProblem(knowledge);
  if (problem !== null) throw new CorruptError(`'${file}' is damaged: ${problem}`, { file });
  return knowledge;
}

function readOperation(value: Packed, file: string): Operation {
  const f = new Fields(value, file, 2);
  return { kind: f.string('operation'), detail: f.string('detail of the operation') };
}

function readPairs(fields: Fields, what: string): NamedText[] {
  return fields.array(what).map((row) => {
    const f = new Fields(row, fields.file, 2);
    return { name: f.string(`name of ${what}`), text: f.string(`text of ${what}`) };
  });
}

function readFacts(row: Packed, file: string): MetricFacts {
  const f = new Fields(row, file, 3);
  const name = f.string('metric name');
  const direction = DIRECTIONS[f.count('direction', DIRECTIONS.length - 1)] ?? null;
  const count = f.any('points');
  if (count !== null && !(typeof count === 'number' && Number.isSafeInteger(count) && count >= 0)) {
    throw new CorruptError(`'${file}' is damaged: bad count of points`, { file });
  }
  return { name, direction, count };
}
