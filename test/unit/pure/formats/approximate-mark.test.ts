/** The mark of approximate safetensors files: found again, and nothing else changes. */
import test from 'ava';
import {
  headerBytesOf,
  MARK_BYTES,
  markHeader,
  markOf,
} from '../../../../lib/pure/formats/approximate-mark.js';
import { randomTensors, safetensors } from '../../../helpers/safetensors.js';

function split(file: Buffer): [Buffer, Buffer] {
  const bytes = headerBytesOf(file) as number;
  return [file.subarray(0, bytes), file.subarray(bytes)];
}

function parsed(header: Uint8Array): Record<string, unknown> {
  return JSON.parse(Buffer.from(header).toString('utf8', 8)) as Record<string, unknown>;
}

const METADATA: Record<string, Record<string, string>> = {
  none: {},
  some: { format: 'pt', step: '7' },
};

for (const [what, metadata] of Object.entries(METADATA)) {
  test(`a mark beside ${what} of metadata`, (t) => {
    const file = safetensors(randomTensors({ a: [3], b: [2, 2] }, 1), metadata);
    const [header] = split(file);
    const marked = markHeader(header, '2 planes');
    t.is(markOf(marked.subarray(0, MARK_BYTES)), '2 planes');
    t.is(markOf(file.subarray(0, MARK_BYTES)), null);
    const { __metadata__: says, ...tensors } = parsed(marked);
    const { __metadata__: _, ...before } = parsed(header);
    t.deepEqual(tensors, before);
    t.deepEqual(says, { 'dlv.approximate': '2 planes', ...metadata });
    t.is(headerBytesOf(marked), marked.length);
    t.is(marked.length % 8, 0);
  });
}

test('metadata that are empty or come late, headers without tensors', (t) => {
  const header = (text: string): Buffer => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  const empty = markHeader(header('{ "__metadata__" : { }, "a":1}'), 'x');
  t.deepEqual(parsed(empty), { __metadata__: { 'dlv.approximate': 'x' }, a: 1 });
  const late = header('{"a":1,"__metadata__":{}}');
  t.is(markHeader(late, 'x'), late);
  const none = header('{}');
  t.is(markHeader(none, 'x'), none);
  t.is(headerBytesOf(Buffer.from('not a header')), null);
});
