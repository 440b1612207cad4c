/**
 * Run folders of MLflow: `meta.yaml`, and a file for each metric (lines of `<ms> <value> <step>`), each
 * hyperparameter and each tag. Of tags only versions of programs are read.
 */
import { eachLine } from '../../../base/bytes/lines.js';
import { LogCollector, type LogContent, type LogFile } from '../log-content.js';
import { type ParamValue, parseParam } from '../param-value.js';
import { numberOf, timeOf } from '../rows.js';

const PARTS = ['metrics/', 'params/', 'tags/'] as const;

/** True if the files of a folder are those of a run. */
export function isMlflowRun(files: readonly LogFile[]): boolean {
  return (
    files.some(({ name }) => name === 'meta.yaml') &&
    files.some(({ name }) => name.startsWith('metrics/') || name.startsWith('params/'))
  );
}

/** True for a file of a run that is read; artifacts and models are not. */
export function isMlflowFile(name: string): boolean {
  return name === 'meta.yaml' || PARTS.some((part) => name.startsWith(part));
}

/** What a run says. */
export function readMlflowRun(files: readonly LogFile[]): LogContent {
  const collector = new LogCollector('mlflow');
  for (const { name, bytes } of files) {
    const [part, ...rest] = name.split('/');
    const key = rest.join('/');
    if (part === 'metrics') readMetric(collector, key, bytes);
    else if (part === 'params') collector.param(key, typedValue(textOf(bytes)));
    else if (part === 'tags' && /^mlflow\.(pythonVersion|version)$/.test(key)) {
      collector.environment(key, textOf(bytes));
    }
  }
  return collector.finish();
}

function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return text.replace(/\r?\n$/, '');
}

/** Hyperparameters are the `str` of what Python had. */
function typedValue(text: string): ParamValue {
  if (text === 'True' || text === 'False') return text === 'True';
  return text === 'None' ? null : parseParam(text);
}

function readMetric(collector: LogCollector, name: string, bytes: Uint8Array): void {
  let index = 0;
  for (const line of eachLine(bytes)) {
    const [time, value, step] = line.trim().split(/\s+/, 3);
    const number = numberOf(value);
    if (number === null) continue;
    collector.point(name, number, numberOf(step) ?? index, timeOf(time));
    index++;
  }
}
