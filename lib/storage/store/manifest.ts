/**
 * The manifest: the ordered list of live pack sets, sealed text, swapped as a whole.
 *
 *     dlv manifest 1
 *     generation <n>
 *     set <id> <blob bytes> <hi bytes> <mid bytes> <low bytes> <idx bytes>     per set, in order
 *     sum <checksum>
 *
 * @see docs/format/manifest.md
 */
import { linesOf } from '../../base/bytes/lines.js';
import { seal, unseal } from '../../base/bytes/sealed.js';
import { CorruptError, FormatVersionError } from '../../base/errors.js';
import { FILE_CLASSES, isSetId, type SetInfo } from './types.js';

const FORM = 1;
const FIRST_LINE = `dlv manifest ${FORM}`;

export interface Manifest {
  generation: number;
  sets: SetInfo[];
}

/** Bytes of a manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const lines = manifest.sets.map(
    (info) => `set ${info.id} ${FILE_CLASSES.map((name) => info.bytes[name]).join(' ')}`,
  );
  return seal(`${[FIRST_LINE, `generation ${manifest.generation}`, ...lines].join('\n')}\n`);
}

/**
 * The mirror of encodeManifest.
 * @throws {CorruptError} if damaged or not in canonical form; {FormatVersionError} of a newer dlv.
 */
export function decodeManifest(bytes: Uint8Array, file: string): Manifest {
  const text = unseal(bytes, file);
  const all = linesOf(text, 'generation 0'.length);
  if (all === null) throw corrupt(file, 'its lines');
  const [first, generation, ...lines] = all;
  const form = Number(/^dlv manifest ([1-9]\d{0,8})$/.exec(first ?? '')?.[1] ?? FORM);
  if (form > FORM) {
    throw new FormatVersionError(`'${file}' has the form ${form}, this dlv reads ${FORM}`, {
      file,
      found: form,
      readable: [FORM],
      hint: 'a newer dlv wrote it: upgrade dlv',
    });
  }
  const number = Number(/^generation (\d{1,15})$/.exec(generation ?? '')?.[1] ?? Number.NaN);
  const sets = lines.map((line): SetInfo => {
    const [word, id = '', ...sizes] = line.split(' ');
    const values = sizes.map((size) => (/^\d{1,15}$/.test(size) ? Number(size) : Number.NaN));
    if (
      word !== 'set' ||
      !isSetId(id) ||
      values.length !== FILE_CLASSES.length ||
      values.some(Number.isNaN)
    ) {
      throw corrupt(file, `the line '${line.slice(0, 80)}'`);
    }
    const [blob, hi, mid, low, idx] = values as [number, number, number, number, number];
    return { id, bytes: { blob, hi, mid, low, idx } };
  });
  const manifest = { generation: number, sets };
  const isWhole =
    first === FIRST_LINE &&
    new Set(sets.map((info) => info.id)).size === sets.length &&
    Buffer.compare(encodeManifest(manifest), bytes) === 0;
  if (!isWhole) throw corrupt(file, 'its lines');
  return manifest;
}

function corrupt(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: ${what} cannot be read`, {
    file,
    hint: "run 'dlv fsck --rebuild'",
  });
}
