/**
 * Which format a log has, told by its content, and what it says.
 *
 * Start here: `readLog` takes one file, `readLogFolder` the files of a folder. What no reader knows is
 * kept all the same; it says nothing.
 */

import type { LogContent, LogFile } from './log-content.js';
import { readCsvLog } from './readers/csv-log.js';
import { isHparamsFile, readHparams } from './readers/hparams-log.js';
import { readJsonLog } from './readers/json-log.js';
import { readKeyValueLog } from './readers/key-value-log.js';
import { isMlflowFile, isMlflowRun, readMlflowRun } from './readers/mlflow-log.js';
import { isTensorBoardLog, readTensorBoardLog } from './readers/tensorboard-log.js';
import { isWandbLog, readWandbLog } from './readers/wandb-log.js';

/** One log that was looked at. */
export interface ReadLog {
  name: string;
  /** null if no reader knows the format. */
  content: LogContent | null;
}

/** Bytes at the beginning of a text that are looked at: none holds a NUL. */
const TEXT_HEAD_BYTES = 8 * 1024;

/** What a file of a name says, as `readLog`. */
export function readNamedLog(name: string, bytes: Uint8Array, prefix = ''): LogContent | null {
  return isHparamsFile(name) ? readHparams(bytes) : readLog(bytes, prefix);
}

/**
 * What a file says; null if it is in no known format.
 * @param prefix  of metrics, for event files.
 * @param first  step of the first row, where rows name none: of a piece of a file that grows.
 */
export function readLog(bytes: Uint8Array, prefix = '', first = 0): LogContent | null {
  if (isWandbLog(bytes)) return readWandbLog(bytes);
  if (isTensorBoardLog(bytes)) return readTensorBoardLog(bytes, prefix);
  if (bytes.subarray(0, TEXT_HEAD_BYTES).includes(0)) return null;
  const json = readJsonLog(bytes, first);
  if (json !== null) return json;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return readCsvLog(text, first) ?? readKeyValueLog(bytes);
}

/** True for a file of a folder that is worth keeping as a log, as far as its name tells. */
export function isFileOfLog(name: string, isRun: boolean): boolean {
  if (isRun) return isMlflowFile(name);
  const last = name.split('/').at(-1) as string;
  return /tfevents|\.wandb$|\.(csv|tsv|jsonl|ndjson|log)$|^(trainer_state|metrics)\.json$|^hparams\.ya?ml$/.test(
    last,
  );
}

/** What the files of a folder say: one run of MLflow, or each file by itself. */
export function readLogFolder(files: readonly LogFile[]): ReadLog[] {
  if (isMlflowRun(files)) return [{ name: '', content: readMlflowRun(files) }];
  return files.map(({ name, bytes }) => {
    const folder = name.split('/').slice(0, -1).join('/');
    return { name, content: readNamedLog(name, bytes, folder === '' ? '' : `${folder}/`) };
  });
}
