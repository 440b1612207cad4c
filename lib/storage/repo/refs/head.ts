/**
 * HEAD: the line that commands work on if none is named. @see docs/format/refs.md
 */

import { type Id, isId } from '../../../base/bytes/hash.js';
import { sealReadable, unseal } from '../../../base/bytes/sealed.js';
import { CorruptError } from '../../../base/errors.js';
import { isMissing, readSmallFile, writeFileAtomic } from '../../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../../base/limits.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
import {
  branchRefName,
  checkBranchName,
  checkModelName,
  modelNameProblem,
  parseRefName,
} from './ref-name.js';

/** What HEAD names: a branch (that may have no version yet), or one version of a model. */
export type Head =
  | { kind: 'branch'; model: string; branch: string }
  | { kind: 'detached'; model: string; id: Id };

/** Text of HEAD before its checksum line. */
export function formatHead(head: Head): string {
  return head.kind === 'branch'
    ? `ref: ${branchRefName(head.model, head.branch)}\n`
    : `version: ${head.id}\nmodel: ${head.model}\n`;
}

/** The mirror of formatHead. @throws {CorruptError} DLV_CORRUPT */
export function parseHead(text: string, file: string): Head {
  const ref = /^ref: (.+)\n$/s.exec(text)?.[1];
  const place = ref === undefined ? null : parseRefName(ref);
  if (place?.kind === 'head') return { kind: 'branch', model: place.model, branch: place.branch };
  const detached = /^version: ([0-9a-f]{64})\nmodel: (.+)\n$/s.exec(text);
  const [, id = '', model = ''] = detached ?? [];
  if (isId(id) && modelNameProblem(model) === null) return { kind: 'detached', model, id };
  throw new CorruptError(`'${file}' is damaged: it names neither a branch nor a version`, {
    file,
    hint: "run 'dlv fsck --rebuild'",
  });
}

/** Reads HEAD. @throws {CorruptError} DLV_CORRUPT, also if it is not there. */
export async function readHead(layout: Layout): Promise<Head> {
  const bytes = await readSmallFile(layout.head, STATE_FILE_BYTES_MAX).catch((error) => {
    if (!isMissing(error)) throw error;
    throw new CorruptError(`'${layout.head}' is missing`, {
      file: layout.head,
      errno: 'ENOENT',
      hint: "run 'dlv fsck --rebuild'",
    });
  });
  return parseHead(unseal(bytes, layout.head), layout.head);
}

/** Replaces HEAD. The reflog line of a move is `appendReflog(layout, 'HEAD', …)`. */
export async function writeHead(lock: RepositoryLock, head: Head): Promise<void> {
  lock.assertHeld();
  checkModelName(head.model);
  if (head.kind === 'branch') checkBranchName(head.branch);
  const file = lock.layout.head;
  await writeFileAtomic(file, sealReadable(formatHead(head), file, parseHead));
}
