/** The scanner accepts exactly what JSON.parse does, bar halves of characters, deep nesting and bytes
 *  that are not UTF-8. */
import test from 'ava';
import fc from 'fast-check';
import { JsonScanner } from '../../../../lib/pure/formats/safetensors/json-scan.js';
import { anyCharacter } from '../../../helpers/any-character.js';

function accepts(text: string | Uint8Array): boolean {
  const scan = new JsonScanner(Buffer.from(text), 'x');
  try {
    scan.skip();
    scan.end();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('DLV_')) return false;
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('json: every value that JSON.stringify writes is passed over whole', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom('', 1, '\t'), (value, space) =>
      accepts(` ${JSON.stringify(value, null, space)}\n`),
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test('json: text made of JSON pieces is accepted if and only if JSON.parse accepts it', (t) => {
  const piece = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"a"', '"', '\\', '1', '0', '-', '.', 'e', '+', ' ', '\n'],
    ...['true', 'false', 'null', 'tru', '\\u0041', '"\\n"', '1.5e3', '01', '{}', '[]', '{"a":1}'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = pieces.join('');
      return accepts(text) === parses(text);
    }),
    { numRuns: 4000 },
  );
  t.pass();
});

test('json: strings have the value that JSON.parse gives them', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), fc.boolean(), (text, ascii) => {
      const json = JSON.stringify(text);
      const escaped = ascii
        ? json.replace(
            /[^\x20-\x7e]/g,
            (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
          )
        : json;
      return new JsonScanner(Buffer.from(escaped), 'x').string() === text;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('json: half characters, bad UTF-8 and deep nesting are refused', (t) => {
  t.false(accepts('"\\ud800"'));
  t.false(accepts('"\\udc00\\ud800"'));
  t.true(accepts('"\\ud83d\\ude00"'));
  t.false(accepts(Buffer.from([0x22, 0xc3, 0x22])));
  t.false(accepts(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])));
  t.true(accepts('['.repeat(100) + ']'.repeat(100)));
  t.false(accepts('['.repeat(101) + ']'.repeat(101)));
});

test('json: whole numbers are exact or refused', (t) => {
  const count = (text: string) => new JsonScanner(Buffer.from(text), 'x').count('n');
  t.is(count(' 9007199254740991'), Number.MAX_SAFE_INTEGER);
  t.throws(() => count('9007199254740992'), { code: 'DLV_LIMIT' });
  for (const text of ['', '-1', '1.0', '1e3', '01', '"1"']) {
    t.throws(() => count(text), { code: 'DLV_CORRUPT' }, text);
  }
});
