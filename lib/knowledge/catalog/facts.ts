/**
 * What lists of versions need of a version, and its row in the catalog: the CRC-32 of id and text, then
 * the text, JSON of one array. Derived: the version is the truth.
 */
import { crc32 } from '../../base/bytes/checksum.js';
import { type Id, isId } from '../../base/bytes/hash.js';
import { type Knowledge, readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { Metric, Param, Version } from '../../storage/repo/version/version.js';

/** A version without its files. */
export interface VersionFacts
  extends Pick<
    Version,
    | 'model'
    | 'number'
    | 'parents'
    | 'author'
    | 'time'
    | 'tzMinutes'
    | 'message'
    | 'params'
    | 'metrics'
  > {
  knowledge: Knowledge;
  /** Last step of its weight snapshots, or null if none is known. */
  step: number | null;
  /** Count of its files, and their bytes. */
  files: number;
  bytes: number;
  /** Id of the networks that it keeps; null if it keeps none. */
  network: Id | null;
  /** It keeps no networks, and a file of it may define one: an older dlv made it. */
  mayDefine: boolean;
}

/** What only the files of a version say. */
export type VersionContent = Pick<VersionFacts, 'step' | 'mayDefine'>;

/** The facts of a version. @throws {CorruptError} */
export function factsOf(id: Id, version: Version, content: VersionContent): VersionFacts {
  const { model, number, parents, author, time, tzMinutes, message, params, metrics } = version;
  const knowledge = readKnowledge(version.extensions, `version ${shortId(id)}`);
  const { count: files, bytes } = version.tree;
  const said = { model, number, parents, author, time, tzMinutes, message, params, metrics };
  const { network } = version;
  const mayDefine = network === null && content.mayDefine;
  return { ...said, knowledge, step: content.step, files, bytes, network, mayDefine };
}

const CRC_BYTES = 4;

type Row = [
  string,
  number | null,
  Id[],
  [string, string],
  [number, number],
  string,
  [string, string][],
  [string, number | string, number | null][],
  Knowledge | 0,
  number | null,
  [number, number],
  Id | 0 | 1,
];

/** The row of a version. */
export function encodeFacts(id: Id, facts: VersionFacts): Uint8Array {
  const { operation, environment, data, metrics, series } = facts.knowledge;
  const isKnown =
    operation !== null || series !== null || environment.length + data.length + metrics.length > 0;
  const row: Row = [
    facts.model,
    facts.number,
    facts.parents,
    [facts.author.name, facts.author.email],
    [facts.time, facts.tzMinutes],
    facts.message,
    facts.params.map(({ name, text }) => [name, text]),
    // JSON has no NaN and no infinities: they are texts.
    facts.metrics.map(({ name, value, step }) => {
      return [name, Number.isFinite(value) ? value : String(value), step];
    }),
    isKnown ? facts.knowledge : 0,
    facts.step,
    [facts.files, facts.bytes],
    facts.network ?? (facts.mayDefine ? 1 : 0),
  ];
  const text = Buffer.from(JSON.stringify(row));
  const bytes = Buffer.alloc(CRC_BYTES + text.length);
  bytes.writeUInt32LE(checksumOf(id, text), 0);
  bytes.set(text, CRC_BYTES);
  return bytes;
}

function checksumOf(id: Id, text: Uint8Array): number {
  return crc32(text, crc32(Buffer.from(id, 'latin1')));
}

/** The mirror of encodeFacts; null for a row that is damaged. */
export function decodeFacts(id: Id, bytes: Uint8Array): VersionFacts | null {
  if (bytes.length < CRC_BYTES) return null;
  const row = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = row.subarray(CRC_BYTES);
  if (row.readUInt32LE(0) !== checksumOf(id, text)) return null;
  try {
    return unpack(JSON.parse(text.toString('utf8')) as Row);
  } catch {
    // The checksum fits what somebody else wrote.
    return null;
  }
}

function unpack(row: Row): VersionFacts | null {
  const [model, number, parents, [name, email], [time, tzMinutes], message, ...rest] = row;
  const [params, metrics, knowledge, step, [files, bytes], network] = rest;
  const isKept = typeof network === 'string';
  if (!parents.every(isId) || (isKept && !isId(network))) return null;
  return {
    model,
    number,
    parents,
    author: { name, email },
    time,
    tzMinutes,
    message,
    params: params.map((param): Param => ({ name: param[0], text: param[1] })),
    metrics: metrics.map((metric): Metric => {
      return { name: metric[0], value: Number(metric[1]), step: metric[2] };
    }),
    knowledge: knowledge === 0 ? NOTHING : knowledge,
    step,
    files,
    bytes,
    network: isKept ? network : null,
    mayDefine: network === 1,
  };
}

const NOTHING: Knowledge = {
  operation: null,
  environment: [],
  data: [],
  metrics: [],
  series: null,
};
