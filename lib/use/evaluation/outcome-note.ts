/** Notes of kind 'evaluation': what each example of a data set came to. @see docs/format/evaluation.md */

import { Fields } from '../../base/bytes/msgpack/fields.js';
import type { Packed } from '../../base/bytes/msgpack/msgpack.js';
import { EXAMPLES_MAX } from '../../base/limits.js';
import {
  checkPreprocess,
  declaredPart,
  type Preprocess,
  parsePreprocess,
} from '../../knowledge/inference/data/preprocess.js';
import type { Outcomes } from '../../pure/metrics/outcomes.js';
import { damagedNote } from '../../storage/repo/version/note-damage.js';

export const EVALUATION_NOTE = 'evaluation';
const FORM = 2;
/** The form that does not say how numbers were prepared. */
const FORM_WITHOUT_PREPROCESS = 1;
/** A sha256. */
const KEY_BYTES = 32;

/** How outcomes were found. */
export interface EvaluationFacts {
  /** Names of the files, as they were given. */
  data: string;
  labels: string;
  /** Path of the network in the version. */
  network: string;
  /** Version of onnxruntime-node. */
  runtime: string;
  threads: number;
  optimization: string;
  batch: number;
  /** Milliseconds of one batch. */
  latency: number;
  /** How numbers were prepared; null: its note does not say. */
  preprocess: Preprocess | null;
}

/** Body of an evaluation note. */
export interface Evaluation extends EvaluationFacts {
  /** 64 hex digits: sha256 of all that decides about outcomes; see `evaluationKey`. */
  key: string;
  outcomes: Outcomes;
}

/** The body of a note. */
export function packEvaluation(evaluation: Evaluation): Packed {
  const { key, outcomes, ...facts } = evaluation;
  return [
    facts.preprocess === null ? FORM_WITHOUT_PREPROCESS : FORM,
    Buffer.from(key, 'hex'),
    facts.data,
    facts.labels,
    facts.network,
    [facts.runtime, facts.threads, facts.optimization, facts.batch, facts.latency],
    packOutcomes(outcomes),
    ...(facts.preprocess === null ? [] : [JSON.stringify(declaredPart(facts.preprocess))]),
  ];
}

function packOutcomes(outcomes: Outcomes): Packed {
  if (outcomes.task === 'values') {
    return ['values', bytesOf(outcomes.absolute), bytesOf(outcomes.squared)];
  }
  if (outcomes.task === 'tokens') {
    const { tokens, hits, loss, words, bytes } = outcomes;
    return ['tokens', ...[tokens, hits, loss, words, bytes].map(bytesOf)];
  }
  const { classes, ties, predicted, rank, loss, confidence, margin } = outcomes;
  return [
    'classes',
    classes,
    ties,
    ...[predicted, rank, loss, confidence].map(bytesOf),
    margin === null ? null : bytesOf(margin),
  ];
}

/** Little-endian, as all machines are that run this. */
function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** The mirror of packEvaluation. @throws {CorruptError} {FormatVersionError} */
export function unpackEvaluation(body: Packed, file: string): Evaluation {
  const isShort = Array.isArray(body) && body[0] === FORM_WITHOUT_PREPROCESS;
  const f = new Fields(body, file, isShort ? 7 : 8);
  f.form('evaluation form', isShort ? FORM_WITHOUT_PREPROCESS : FORM);
  const key = Buffer.from(f.bytes('key', KEY_BYTES)).toString('hex');
  const [data, labels] = [f.string('data'), f.string('labels')];
  const network = f.string('network');
  const r = new Fields(f.any('runtime'), file, 5);
  const facts = {
    data,
    labels,
    network,
    runtime: r.string('runtime'),
    threads: r.count('threads'),
    optimization: r.string('optimization'),
    batch: r.count('batch'),
    latency: r.number('latency'),
  };
  const outcomes = unpackOutcomes(f.any('outcomes'), file);
  const preprocess = isShort ? null : unpackPreprocess(f.string('preprocess'), file);
  return { key, ...facts, preprocess, outcomes };
}

function unpackPreprocess(text: string, file: string): Preprocess {
  try {
    return checkPreprocess(parsePreprocess(text, file));
  } catch (error) {
    throw damagedNote(file, (error as Error).message);
  }
}

function unpackOutcomes(packed: Packed, file: string): Outcomes {
  const kind = Array.isArray(packed) ? packed[0] : null;
  const f = new Fields(packed, file, kind === 'classes' ? 8 : kind === 'tokens' ? 6 : 3);
  const task = f.string('task');
  const columns: Column[] = [];
  const next = (name: string): Column => {
    const column = copyOf(f.any(name), name, file);
    if (columns[0] !== undefined && columns[0].length !== column.length) {
      throw damagedNote(file, 'its columns are not of one length');
    }
    columns.push(column);
    return column;
  };
  const floats = (name: string): Float32Array<ArrayBuffer> => new Float32Array(next(name).buffer);
  if (task === 'values') return { task, absolute: floats('absolute'), squared: floats('squared') };
  const whole = (name: string): Uint32Array<ArrayBuffer> => new Uint32Array(next(name).buffer);
  if (task === 'tokens') {
    const [tokens, hits] = [whole('tokens'), whole('hits')];
    const [loss, words, bytes] = [floats('loss'), floats('words'), floats('bytes')];
    return { task, tokens, hits, loss, words, bytes };
  }
  if (task !== 'classes') throw damagedNote(file, `the task '${task.slice(0, 40)}'`);
  const classes = f.count('classes');
  const ties = f.count('ties');
  const [predicted, rank] = [whole('predicted'), whole('rank')];
  const [loss, confidence] = [floats('loss'), floats('confidence')];
  const margin = classes === 2 ? floats('margin') : null;
  return { task, classes, ties, predicted, rank, loss, confidence, margin };
}

type Column = Uint8Array<ArrayBuffer>;

function copyOf(packed: Packed, name: string, file: string): Column {
  if (!(packed instanceof Uint8Array)) throw damagedNote(file, `${name} is no column`);
  if (packed.length % 4 !== 0 || packed.length > 4 * EXAMPLES_MAX) {
    throw damagedNote(file, `${name} has ${packed.length} bytes`);
  }
  return Uint8Array.from(packed);
}
