/**
 * A data set that a module of the user makes. It is code: it is run because it was named on the command
 * line or by the program that calls, and never because a repository or a file of data names it.
 */

import { createHash } from 'node:crypto';
import { NotFoundError, UsageError } from '../../../base/errors.js';
import { importFile } from '../../../base/files/import-file.js';
import { leadsTo } from '../../../base/files/places/user-paths.js';
import type { DataArray } from './array.js';
import { arrayOf } from './texts.js';

/** An array as a module gives it. */
interface GivenArray {
  values: ArrayLike<number>;
  shape?: readonly number[];
}

/** What `load` of a module resolves to. */
interface Given {
  /** One array, or arrays by the names of the inputs that they go into. */
  inputs: GivenArray | Record<string, GivenArray>;
  labels: GivenArray | ArrayLike<number>;
  /** Names of classes in order. */
  classes?: readonly string[];
}

export interface ModuleData {
  data: DataArray;
  named: ReadonlyMap<string, DataArray> | null;
  labels: DataArray;
  classes: readonly string[] | null;
  sha256: string;
}

/** @param file  absolute path. @throws {UsageError} for a module that gives no data. */
export async function loadModuleData(file: string, limit: number | null): Promise<ModuleData> {
  if ((await leadsTo(file)) !== 'file') {
    throw new NotFoundError(`there is no module '${file}'`, { kind: 'file', name: file });
  }
  const given = await run(file, limit);
  const wrong = (what: string): UsageError =>
    new UsageError(`the module '${file}' gives ${what}`, {
      file,
      hint: 'load() resolves to { inputs, labels }; see docs/eval.md',
    });
  if (typeof given !== 'object' || given === null) throw wrong('no object');
  const { inputs, labels, classes } = given;
  if (typeof inputs !== 'object' || inputs === null || labels === undefined) {
    throw wrong('no inputs or no labels');
  }
  const hash = createHash('sha256');
  const read = (array: GivenArray, name: string): DataArray => {
    const { values, shape = [values?.length ?? 0] } = array;
    const isArray = isList(values);
    const count = shape.reduce((product, size) => product * size, 1);
    const isShape = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
    if (!isArray || !isShape || count !== values.length || shape.length === 0) {
      throw wrong(`'${name}' whose shape [${shape.join(', ')}] is not that of its values`);
    }
    const numbers = Float64Array.from(values, Number);
    hash.update(`${name}\0${shape.join(',')}\0`).update(numbers);
    return arrayOf(numbers, shape, `${file}#${name}`);
  };
  const isOne = isList((inputs as Partial<GivenArray>).values);
  const named = isOne
    ? null
    : new Map(
        Object.entries(inputs as Record<string, GivenArray>).map(([name, array]) => [
          name,
          read(array, name),
        ]),
      );
  const data = isOne ? read(inputs as GivenArray, 'inputs') : [...(named?.values() ?? [])][0];
  if (data === undefined) throw wrong('no inputs');
  const truth = read(isList(labels) ? { values: labels } : labels, 'labels');
  if (
    classes !== undefined &&
    !(Array.isArray(classes) && classes.every((one) => typeof one === 'string'))
  ) {
    throw wrong('classes that are no texts');
  }
  hash.update((classes ?? []).join('\0'));
  return { data, named, labels: truth, classes: classes ?? null, sha256: hash.digest('hex') };
}

/** Arrays have a method called values, so a list is told by what it is. */
function isList(value: unknown): value is ArrayLike<number> {
  return ArrayBuffer.isView(value) || Array.isArray(value);
}

async function run(file: string, limit: number | null): Promise<Given> {
  let loaded: Record<string, unknown>;
  try {
    loaded = await importFile(file);
  } catch (error) {
    throw new UsageError(`the module '${file}' cannot be loaded: ${messageOf(error)}`, { file });
  }
  const load = loaded.load ?? loaded.default;
  if (typeof load !== 'function') {
    throw new UsageError(`the module '${file}' exports no function load`, { file });
  }
  try {
    return (await (load as (options: object) => unknown)({ limit })) as Given;
  } catch (error) {
    throw new UsageError(`load of the module '${file}' failed: ${messageOf(error)}`, { file });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
