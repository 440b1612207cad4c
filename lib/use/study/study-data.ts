/** Data of a study: each data set opened once, checked, and laid out for trainers. */

import { sha256Hex } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import { readSmallFile, statOrNull } from '../../base/files/files.js';
import { leadsTo } from '../../base/files/places/user-paths.js';
import { USER_TEXT_BYTES_MAX } from '../../base/limits.js';
import { type DataSet, openDataSet } from '../../knowledge/inference/data/data-set.js';
import {
  checkPreprocess,
  type Preprocess,
  parsePreprocess,
} from '../../knowledge/inference/data/preprocess.js';
import type { ArraysPlace } from '../../knowledge/training/job.js';
import { prepareArrays } from '../../knowledge/training/prepare-data.js';
import type { DataOptions } from './study-config.js';
import type { SourceNetwork } from './study-sources.js';

/** A data set that is open. */
interface OpenData {
  train: DataSet;
  /** Null: part of `train` is held back. */
  test: DataSet | null;
  preprocess: Preprocess;
  /** sha256 of the files, and of what is done to them. */
  id: string;
}

/** Data as a job names them. */
export interface PreparedData {
  train: ArraysPlace;
  test: ArraysPlace | null;
}

export class StudyData {
  readonly #open = new Map<string, OpenData>();

  /** The id of data; it opens them. @throws {UsageError} {IoError} */
  async id(options: DataOptions, signal?: AbortSignal): Promise<string> {
    return (await this.#data(options, signal)).id;
  }

  async #data(options: DataOptions, signal?: AbortSignal): Promise<OpenData> {
    const key = JSON.stringify(options);
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const { data, labels, testData, testLabels, testShare, limit } = options;
    const train = await openDataSet({ data, labels, ...(limit === null ? {} : { limit }) }, signal);
    const test =
      testData === null ? null : await openDataSet({ data: testData, labels: testLabels }, signal);
    if (test === null && testShare > 0 && train.examples < 2) {
      throw new UsageError(`'${data}' has 1 example, and none to hold back as test data`, {
        hint: 'set "test_share" to 0, or name test_data',
      });
    }
    const beside = await besideData(data);
    const preprocess = checkPreprocess({ ...beside, ...options.preprocess });
    const said = [train.sha256, train.examples, test?.sha256 ?? testShare, preprocess];
    const opened = { train, test, preprocess, id: sha256Hex(JSON.stringify(said)) };
    this.#open.set(key, opened);
    return opened;
  }

  /** Arrays for the network of a source, in a folder; those that are there are used again. */
  async prepare(
    options: DataOptions,
    { input, model }: SourceNetwork,
    folder: string,
    signal?: AbortSignal,
  ): Promise<PreparedData> {
    const { train, test, preprocess, id } = await this.#data(options, signal);
    const key = sha256Hex(JSON.stringify([id, input.example])).slice(0, 16);
    const rows = Array.from({ length: train.examples }, (_, i) => i);
    // Every n-th example is held back, so that all parts of ordered data are.
    const every = options.testShare > 0 ? Math.max(2, Math.round(1 / options.testShare)) : 0;
    const isHeld = (row: number): boolean => test === null && every > 0 && row % every === 0;
    const part = { preprocess, input, label: model.label };
    const place = (name: string, set: DataSet, some: readonly number[]): Promise<ArraysPlace> =>
      prepareArrays(folder, `${key}-${name}`, { ...part, set, rows: some }, signal);
    const held = test === null ? rows.filter(isHeld) : [];
    return {
      train: await place(
        'train',
        train,
        rows.filter((row) => !isHeld(row)),
      ),
      test:
        test !== null
          ? await place(
              'test',
              test,
              Array.from({ length: test.examples }, (_, i) => i),
            )
          : held.length > 0
            ? await place('test', train, held)
            : null,
    };
  }

  async close(): Promise<void> {
    for (const { train, test } of this.#open.values()) {
      await train.close();
      await test?.close();
    }
    this.#open.clear();
  }
}

/** What a file beside the data says of how they are fed, as for `dlv eval`. */
async function besideData(data: string): Promise<Partial<Preprocess>> {
  if ((await leadsTo(data)) !== 'file') return {};
  const file = `${data}.preprocess.json`;
  if ((await statOrNull(file)) === null) return {};
  return parsePreprocess(
    Buffer.from(await readSmallFile(file, USER_TEXT_BYTES_MAX)).toString(),
    file,
  );
}
