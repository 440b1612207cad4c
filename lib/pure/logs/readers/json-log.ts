/** JSON: one object or list of rows, JSON lines, and trainer_state.json of Hugging Face. */
import { eachLine } from '../../../base/bytes/lines.js';
import { LogCollector, type LogContent } from '../log-content.js';
import { addRow, numbersOf } from '../rows.js';

/** Python writes NaN and Infinity, which JSON does not have: they become texts that rows understand. */
const PYTHON_NUMBERS = /([:[,]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g;

/** The document; undefined if it is none. */
export function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    if (!/NaN|Infinity/.test(text)) return undefined;
  }
  try {
    return JSON.parse(text.replace(PYTHON_NUMBERS, '$1"$2"'));
  } catch {
    return undefined;
  }
}

/**
 * What a JSON file says; null if it is no JSON, or none with numbers.
 * @param first  step of the first of JSON lines, where they name none.
 */
export function readJsonLog(bytes: Uint8Array, first = 0): LogContent | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  if (!/^\uFEFF?\s*[[{]/.test(text)) return null;
  const document = parseLoosely(text.replace(/^\uFEFF/, ''));
  if (Array.isArray(document)) return readRows('json', document);
  if (typeof document !== 'object' || document === null) return readLines(bytes, first);
  if ('log_history' in document && Array.isArray(document.log_history)) {
    return readTrainerState(document, document.log_history);
  }
  // One line of JSON lines is a document, too.
  const isLine = !text.trim().includes('\n') && ('step' in document || '_step' in document);
  if (isLine) return readRows('json lines', [document]);
  const collector = new LogCollector('json');
  for (const [name, value] of numbersOf(document)) collector.final(name, value);
  return orNull(collector.finish());
}

function readRows(format: string, rows: readonly unknown[]): LogContent | null {
  const collector = new LogCollector(format);
  for (const [i, row] of rows.entries()) {
    if (typeof row === 'object' && row !== null) addRow(collector, row, i);
  }
  return orNull(collector.finish());
}

/** JSON lines: lines that are no objects are passed over, but the first must be one. */
function readLines(bytes: Uint8Array, first: number): LogContent | null {
  const collector = new LogCollector('json lines');
  let index = 0;
  let passedOver = 0;
  for (const line of eachLine(bytes)) {
    const text = line.trim().replace(/^\uFEFF/, '');
    if (text === '') continue;
    const row = text.startsWith('{') ? parseLoosely(text) : undefined;
    if (typeof row === 'object' && row !== null) addRow(collector, row, first + index++);
    else if (index === 0) return null;
    else passedOver++;
  }
  if (passedOver > 0) collector.problem = `${passedOver} lines are no JSON`;
  return orNull(collector.finish());
}

function orNull(content: LogContent): LogContent | null {
  return content.series.length + content.finals.size + content.params.size > 0 ? content : null;
}

/** What the trainer of Hugging Face writes: rows of `log_history` and some settings. */
const TRAINER_SETTINGS = [
  'train_batch_size',
  'num_train_epochs',
  'max_steps',
  'eval_steps',
  'logging_steps',
  'save_steps',
];

function readTrainerState(state: object, history: readonly unknown[]): LogContent {
  const collector = new LogCollector('trainer_state.json');
  for (const [i, row] of history.entries()) {
    if (typeof row === 'object' && row !== null) addRow(collector, row, i);
  }
  for (const [name, value] of Object.entries(state)) {
    if (TRAINER_SETTINGS.includes(name) && typeof value === 'number') collector.param(name, value);
  }
  const { global_step: step, epoch } = state as { global_step?: unknown; epoch?: unknown };
  if (typeof step === 'number' && typeof epoch === 'number') collector.reached = { step, epoch };
  return collector.finish();
}
