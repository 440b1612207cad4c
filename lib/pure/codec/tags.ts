/**
 * Tagged fields: how the head of a stored extent segment stays open for later codecs.
 *
 *     fields := { tag: u8, flags: u8 (bit 0 = required), length: varint, value: length bytes }
 *
 * Tags ascend. A reader skips an unknown optional tag and refuses the object, not the repository, on
 * an unknown required one. @see docs/format/codec.md
 */
import { ByteReader } from '../../base/bytes/reader.js';
import { ByteWriter } from '../../base/bytes/writer.js';
import { FormatVersionError } from '../../base/errors.js';

export const TAG_CODEC = 1;
export const TAG_RUN_HASHES = 2;
export const TAG_SKETCH = 3;
// 4 (contexts), 5 (stops) and 6 (tier) are reserved for later codecs.
export const TAG_OPERATION = 7;

const REQUIRED = 1;

export interface Tag {
  tag: number;
  required: boolean;
  value: Uint8Array;
}

/** Bytes of tagged fields; tags must ascend. */
export function encodeTags(tags: readonly Tag[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { tag, required, value } of tags) {
    writer
      .u8(tag)
      .u8(required ? REQUIRED : 0)
      .varint(value.length)
      .raw(value);
  }
  return writer.finish().slice();
}

/**
 * Tagged fields by tag.
 * @param known  tags this reader understands.
 * @throws {FormatVersionError} on an unknown required tag; {CorruptError} on anything malformed.
 */
export function decodeTags(
  bytes: Uint8Array,
  known: readonly number[],
  file: string,
): Map<number, Uint8Array> {
  const reader = new ByteReader(bytes, file);
  const tags = new Map<number, Uint8Array>();
  let last = 0;
  while (reader.remaining > 0) {
    const tag = reader.u8('tag');
    const flags = reader.u8('tag flags');
    const value = reader.take(reader.varint('tag length'), 'tag value');
    if (tag <= last) throw reader.corrupt(`tag ${tag} after ${last}`);
    if (flags > REQUIRED) throw reader.corrupt(`flags ${flags} of tag ${tag}`);
    last = tag;
    if (known.includes(tag)) tags.set(tag, value);
    else if (flags & REQUIRED) {
      throw new FormatVersionError(`'${file}' needs field ${tag}, which this dlv does not know`, {
        file,
        found: tag,
        hint: 'upgrade dlv; other objects of the repository stay readable',
      });
    }
  }
  return tags;
}
