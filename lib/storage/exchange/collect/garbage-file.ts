/** Lists of files of a remote that nothing names any more, as text. Pure. @see docs/format/remote.md */
import { sha256Hex } from '../../../base/bytes/hash.js';
import { linesOf } from '../../../base/bytes/lines.js';
import { seal, unseal } from '../../../base/bytes/sealed.js';
import { CorruptError } from '../../../base/errors.js';
import type { ListPart } from '../remote/remote-file.js';
import { isGarbageName } from './garbage-names.js';

/** A pack set, `packs/<id>`, or a part of a list, `lists/<sha256>`, and since when nothing names it. */
export interface Garbage {
  readonly name: string;
  /** Seconds since 1970, by the clock of the remote. */
  readonly since: number;
}

const FORM = 'dlv garbage 1';
const LEAST_CHARS = FORM.length;
/** Lines of one part: 80 KB. */
export const GARBAGE_LINES = 1024;

export function encodeGarbage(entries: readonly Garbage[]): Uint8Array {
  return seal(`${[FORM, ...entries.map(({ name, since }) => `${since} ${name}`)].join('\n')}\n`);
}

/** The mirror of encodeGarbage. @throws {CorruptError} */
export function decodeGarbage(bytes: Uint8Array, part: ListPart, file: string): Garbage[] {
  const fail = (): CorruptError =>
    new CorruptError(`'${file}' of the remote is damaged: it is not what its name says`, {
      file,
      hint: 'push to a new address from a repository that is whole',
    });
  if (sha256Hex(bytes) !== part.sha256) throw fail();
  const [first, ...lines] = linesOf(unseal(bytes, file), LEAST_CHARS) ?? [];
  const entries = lines.map((line) => {
    const [, since = '', name = ''] = /^(\d{1,12}) (\S+)$/.exec(line) ?? [];
    return { name, since: Number(since) };
  });
  const isSound = entries.every(({ name }) => isGarbageName(name));
  if (first !== FORM || entries.length !== part.lines || !isSound) throw fail();
  return entries;
}
