/**
 * Metrics in what a trainer prints: `step 100 loss 0.31`, `{'loss': 0.31, 'epoch': 1.0}`, JSON, `Epoch 3/10 - loss:
 * 0.31 - val_acc: 0.9`, bars that are redrawn.
 *
 * A trainer prints many numbers that are no metrics, so a line counts only if it names one that people measure: a
 * loss, an accuracy and the like. @see direction.ts
 */
import { directionOf } from './direction.js';
import { parseLoosely } from './readers/json-log.js';
import { numberOf, numbersOf } from './rows.js';

/** Longer lines are not meant for people: only their beginning is read. */
const LINE_MAX = 8192;
/** Names that are followed. */
const NAMES_MAX = 10_000;
/** Colours, cursor movements and titles of windows. */
const STEERING = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-_])/g;

const NUMBER = '[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][-+]?\\d+)?|[-+]?(?:nan|inf(?:inity)?)';
/** `name=value`, `name: value`, and `name value` where the name is one of METRIC_WORDS. */
const PAIR = new RegExp(
  `([A-Za-z_][\\w./@-]{0,127}?)['"]?\\s{0,3}[=:]\\s{0,3}(${NUMBER})(?![\\w:/-]|\\.\\w)`,
  'gi',
);
const LOOSE = new RegExp(
  `\\b((?:train|training|val|valid|validation|eval|test)?[ _/-]?(?:loss|acc|accuracy|perplexity|ppl|f1|auc|bleu|rouge|mae|mse|rmse|error))\\s{1,3}(${NUMBER})(?![\\w:/-]|\\.\\w)`,
  'gi',
);
const STEP =
  /\b(global[_ ]?step|step|iteration|iter|it|batch)s?['"]?[\s:=#[(]{0,4}(\d{1,15})(?:\s*(?:\/|of)\s*\d+)?/i;
const EPOCH = /\bepochs?['"]?[\s:=#[(]{0,4}(\d{1,9}(?:\.\d+)?)(?:\s*(?:\/|of)\s*\d+)?/i;

/** Names that say where a run is, or what it was told, and measure nothing. */
const NO_METRIC =
  /^(step|global_?step|iteration|iter|it|batch|epochs?|eta|time|elapsed|total|version|pid|port|seed|rank)$/i;
/** Metrics by their names besides those that have a direction. */
const ALSO =
  /^(lr|learning_rate|grad_norm|gnorm|grad|temperature|beta|kl|entropy|tokens_per_sec|samples_per_second)$/i;

/** What one line says. */
interface LineNumbers {
  /** Step, else null. */
  step: number | null;
  epoch: number | null;
  values: Map<string, number>;
}

/** The metrics of a line of output; null if it has none. A bar that redraws itself counts as it stood last. */
export function readOutputLine(line: string): LineNumbers | null {
  const drawn = line.slice(0, LINE_MAX).split('\r').filter(Boolean).at(-1) ?? '';
  const text = drawn.replace(STEERING, '');
  if (!/\d|nan|inf/i.test(text)) return null;
  const found = structured(text) ?? loose(text);
  const measured = [...found.values.keys()].some(
    (name) => directionOf(name) !== null && !isTime(name),
  );
  return measured ? found : null;
}

/** Times have a direction, and are no reason to take a line for one of metrics. */
function isTime(name: string): boolean {
  return /time|second|sec|_ms|latency|runtime|duration|\/s$/i.test(name);
}

/** A JSON object or a dictionary of Python, anywhere in the line. */
function structured(text: string): LineNumbers | null {
  const begin = text.indexOf('{');
  const end = text.lastIndexOf('}');
  if (begin < 0 || end <= begin) return null;
  const body = text.slice(begin, end + 1);
  const document =
    parseLoosely(body) ??
    parseLoosely(
      body
        .replace(/'/g, '"')
        .replace(/\bNone\b/g, 'null')
        .replace(/\bTrue\b/g, 'true')
        .replace(/\bFalse\b/g, 'false')
        .replace(/([:,[]\s*)(-?)(nan|inf)(?=\s*[,}\]])/g, '$1"$2$3"'),
    );
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return null;
  const numbers = numbersOf(document);
  const take = (pattern: RegExp): number | null => {
    for (const [name, value] of numbers) if (pattern.test(name)) return value;
    return null;
  };
  const values = new Map([...numbers].filter(([name]) => !NO_METRIC.test(name)));
  return {
    step: take(/^(_step|step|global_?step|iteration|iter)$/i),
    epoch: take(/^epochs?$/i),
    values,
  };
}

function loose(text: string): LineNumbers {
  const values = new Map<string, number>();
  for (const pattern of [PAIR, LOOSE]) {
    for (const [, name = '', value] of text.matchAll(pattern)) {
      const plain = name.trim().replace(/[\s]+/g, '_');
      const number = numberOf(value);
      const isOne = directionOf(plain) !== null || ALSO.test(plain);
      if (number === null || !isOne || NO_METRIC.test(plain) || values.has(plain)) continue;
      values.set(plain, number);
    }
  }
  const step = STEP.exec(text)?.[2];
  const epoch = EPOCH.exec(text)?.[1];
  return {
    step: step === undefined ? null : Number(step),
    epoch: epoch === undefined ? null : Number(epoch),
    values,
  };
}

/** A row of the output. */
export interface OutputRow {
  step: number;
  /** True if no line tells the step: it is a count of lines. */
  isCounted: boolean;
  /** As it was told, with its fraction; null if it was not. */
  epoch: number | null;
  values: Map<string, number>;
}

/**
 * The rows of an output, which comes in pieces. A line without a step is at the step before it; a metric that has a
 * value there, as where steps begin again with each epoch, goes on by one. A fraction of an epoch is no step.
 */
export class OutputMetrics {
  #rest = '';
  /** Where each metric was measured last. */
  readonly #at = new Map<string, number>();
  #step: number | null = null;
  #hasFractions = false;

  /** Rows of the lines that are whole now. */
  take(text: string): OutputRow[] {
    const rows: OutputRow[] = [];
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-LINE_MAX);
    for (const line of lines) {
      const found = readOutputLine(line);
      if (found !== null) rows.push(this.#place(found));
    }
    return rows;
  }

  /** The row of what is left at the end. */
  end(): OutputRow[] {
    return this.take('\n');
  }

  #place({ step, epoch, values }: LineNumbers): OutputRow {
    if (step !== null) this.#step = step;
    if (epoch !== null && !Number.isInteger(epoch)) this.#hasFractions = true;
    const told = step ?? this.#step ?? (this.#hasFractions ? null : epoch);
    let last = -1;
    for (const name of values.keys()) last = Math.max(last, this.#at.get(name) ?? -1);
    const at = told !== null && told > last ? told : last + 1;
    for (const name of values.keys()) {
      if (this.#at.size < NAMES_MAX || this.#at.has(name)) this.#at.set(name, at);
    }
    return { step: at, isCounted: at !== told, epoch, values };
  }
}
