/**
 * Saves what is sound in a staging file that an older dlv wrote and that no command can read.
 *
 * `fsck --rebuild` starts here. Lines and files are taken one by one; what is left out is named.
 */

import { Fields } from '../../../base/bytes/msgpack/fields.js';
import { decodeAnyForm, type Packed } from '../../../base/bytes/msgpack/msgpack.js';
import { DlvError } from '../../../base/errors.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import type { Layout } from '../layout.js';
import type { FileEntry } from '../version/file-page.js';
import { Staging } from './staging.js';
import { bodyOf, unpackEntry, unpackLine } from './staging-bytes.js';
import { readStagingBytes } from './staging-file.js';

/** What could be saved of a staging file that `decodeStaging` refuses. */
export interface SalvagedStaging {
  /** The lines and files that are sound. */
  staging: Staging;
  /** What was left out, one sentence each. */
  lost: string[];
  /** Files that were left out, where even their path is known. */
  lostPaths: { model: string; path: string }[];
}

/**
 * Saves the sound entries of a staging file whose checksum holds: what it holds was written so, by a
 * dlv that did not check it. Of bytes that changed since, nothing can be believed.
 * @throws {CorruptError} if the checksum does not hold; {FormatVersionError} of a newer dlv.
 */
export function salvageStaging(bytes: Uint8Array, file: string): SalvagedStaging {
  const saved: SalvagedStaging = { staging: new Staging(), lost: [], lostPaths: [] };
  const { staging, lost, lostPaths } = saved;
  const attempt = (action: () => void, onFailure: (why: string) => void): void => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof DlvError)) throw error;
      onFailure(error.message);
    }
  };
  const saveFile = (model: string, row: Packed): void => {
    attempt(
      () => {
        const refuse = (what: string, { path }: FileEntry): void => {
          lost.push(`left out ${what} of '${path}': no version can hold such a path`);
        };
        staging.put(model, unpackEntry(row, file, refuse));
      },
      (why) => {
        const path = pathOf(row);
        const name = path === null ? 'a file' : `'${path}'`;
        lost.push(`left out ${name} of model '${model}': ${why}`);
        if (path !== null) lostPaths.push({ model, path });
      },
    );
  };
  for (const row of new Fields(decodeAnyForm(bodyOf(bytes, file), file), file).items) {
    attempt(
      () => {
        const { line, files } = unpackLine(row, file, staging);
        for (const entry of files) saveFile(line.model, entry);
      },
      (why) => lost.push(`left out what was staged for a model: ${why}`),
    );
  }
  return saved;
}

/** The path of a packed entry, if it is one that a version can hold. */
function pathOf(row: Packed): string | null {
  const path = Array.isArray(row) && Array.isArray(row[0]) ? row[0][0] : null;
  return typeof path === 'string' && pathProblem(path) === null ? path : null;
}

/** Reads a staging file that `readStaging` refuses. @throws {CorruptError} if its checksum is wrong. */
export async function readSoundStaging(layout: Layout): Promise<SalvagedStaging | null> {
  const found = await readStagingBytes(layout.staging);
  return found === null ? null : salvageStaging(found.bytes, layout.staging);
}
