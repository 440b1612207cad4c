/** Recipes and skeletons: encode and decode are inverse, hostile bytes are refused, never believed. */
import test from 'ava';
import fc from 'fast-check';
import { type Id, objectId } from '../../../../lib/base/bytes/hash.js';
import { encodeCanonical, type Packed } from '../../../../lib/base/bytes/msgpack/msgpack.js';
import { FormatVersionError, isDamage } from '../../../../lib/base/errors.js';
import { DTYPES, type DType } from '../../../../lib/pure/tensor/dtype.js';
import { ROLES } from '../../../../lib/pure/tensor/layout.js';
import {
  dataBlobLengths,
  decodeRecipe,
  encodeRecipe,
  IDS_PER_PAGE,
  type Part,
  type Recipe,
  type Skeleton,
} from '../../../../lib/pure/tensor/recipe.js';
import { decodeSkeleton, encodeSkeleton } from '../../../../lib/pure/tensor/skeleton.js';
import { randomBytes, seededRandom } from '../../../helpers/rng.js';

const width = fc.constantFrom(1, 2, 4, 8);
const size = fc.integer({ min: 0, max: 2 ** 40 });
const id = fc
  .uint8Array({ minLength: 4, maxLength: 4 })
  .map((bytes): Id => objectId('blob', bytes));

const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ kind: fc.constant('fixed' as const), length: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant('variable' as const), length: fc.option(size) }),
  fc.record({
    kind: fc.constant('data' as const),
    width,
    length: size,
    byteSwap: fc.constant(false),
  }),
  fc.record({
    kind: fc.constant('data' as const),
    width: fc.constantFrom(2, 4, 8),
    length: size.map((length) => 8 * Math.floor(length / 8)),
    byteSwap: fc.constant(true),
  }),
  fc.record({
    kind: fc.constant('extent' as const),
    width,
    count: size,
    byteSwap: fc.boolean(),
  }),
  fc.constant({ kind: 'chunks' as const }),
);

const skeleton: fc.Arbitrary<Skeleton> = fc
  .tuple(fc.array(part, { maxLength: 12 }), fc.string(), fc.infiniteStream(fc.nat(255)))
  .chain(([parts, format, stream]) => {
    const length = parts.reduce((sum, p) => sum + (p.kind === 'fixed' ? p.length : 0), 0);
    const fixed = new Uint8Array(length).map(() => stream.next().value as number);
    const tensor = fc.record({
      name: fc.string(),
      dtype: fc.constantFrom(...(Object.keys(DTYPES) as DType[])),
      shape: fc.array(size, { maxLength: 4 }),
      strides: fc.option(fc.array(size, { maxLength: 4 })),
      role: fc.constantFrom(...ROLES),
      part: fc.integer({ min: -1, max: Math.max(-1, parts.length - 1) }),
      byteOffset: size,
    });
    return fc.array(tensor, { maxLength: 6 }).map((tensors) => ({ format, fixed, parts, tensors }));
  });

const chunk = fc.record({ id, length: fc.integer({ min: 0, max: 2 ** 20 }) });
const recipe: fc.Arbitrary<Recipe> = fc.record({
  skeleton: fc.option(id),
  variableLengths: fc.array(size, { maxLength: 5 }),
  variable: fc.option(id),
  data: fc.array(fc.record({ width, ids: fc.array(id, { maxLength: 3 }) }), { maxLength: 3 }),
  extents: fc.array(id, { maxLength: 5 }),
  chunks: fc.array(fc.array(chunk, { maxLength: 3 }), { maxLength: 3 }),
});

const none = (): never => {
  throw new Error('no page is read');
};
const pageId = (page: Uint8Array): Id => objectId('ids', page);

test('skeleton: decode is the inverse of encode', (t) => {
  fc.assert(
    fc.property(skeleton, (value) => {
      const found = decodeSkeleton(encodeSkeleton(value), 'skeleton');
      t.deepEqual(found, { ...value, fixed: found.fixed });
      t.deepEqual(Buffer.from(found.fixed), Buffer.from(value.fixed));
    }),
    { numRuns: 200 },
  );
});

test('recipe: decode is the inverse of encode', async (t) => {
  await fc.assert(
    fc.asyncProperty(recipe, async (value) => {
      const { recipe: bytes, pages } = encodeRecipe(value, pageId);
      t.deepEqual(pages, []);
      t.deepEqual(await decodeRecipe(bytes, 'recipe', none), value);
    }),
    { numRuns: 200 },
  );
});

test('recipe: more extents than a page holds are kept in pages, in order', async (t) => {
  for (const count of [IDS_PER_PAGE, IDS_PER_PAGE + 1, 3 * IDS_PER_PAGE + 7]) {
    const extents = Array.from({ length: count }, (_, i) => objectId('blob', Buffer.from(`${i}`)));
    const value: Recipe = {
      skeleton: null,
      variableLengths: [],
      variable: null,
      data: [],
      extents,
      chunks: [],
    };
    const { recipe: bytes, pages } = encodeRecipe(value, pageId);
    t.is(pages.length, count <= IDS_PER_PAGE ? 0 : Math.ceil(count / IDS_PER_PAGE));
    const byId = new Map(pages.map((page) => [pageId(page), page]));
    const found = await decodeRecipe(bytes, 'recipe', async (page) => byId.get(page)!);
    t.deepEqual(found, value);
    if (pages.length === 0) continue;
    // Pages that give other ids than the recipe counts.
    const wrong = decodeRecipe(bytes, 'recipe', async () => pages[0]!);
    await t.throwsAsync(wrong, { code: 'DLV_CORRUPT' });
    // A page of as many ids as a blob can hold: more than a call takes as arguments.
    const huge = decodeRecipe(bytes, 'recipe', async () => Buffer.alloc(33 * 400_000, pages[0]!));
    await t.throwsAsync(huge, { code: 'DLV_CORRUPT' });
  }
});

test('skeleton and recipe: every truncation is refused as damage', async (t) => {
  const [one] = fc.sample(skeleton, { numRuns: 1, seed: 7 });
  const [two] = fc.sample(recipe, { numRuns: 1, seed: 7 });
  const a = encodeSkeleton(one!);
  for (let n = 0; n < a.length; n++) {
    t.true(isDamage(t.throws(() => decodeSkeleton(a.subarray(0, n), 'skeleton'))));
  }
  const b = encodeRecipe(two!, pageId).recipe;
  for (let n = 0; n < b.length; n++) {
    t.true(isDamage(await t.throwsAsync(decodeRecipe(b.subarray(0, n), 'recipe', none))));
  }
});

test('skeleton and recipe: changed bytes are refused or mean what they say', async (t) => {
  const random = seededRandom(3);
  const skeletons = fc.sample(skeleton, { numRuns: 40, seed: 11 }).map(encodeSkeleton);
  const recipes = fc.sample(recipe, { numRuns: 40, seed: 11 });
  const noPages = async (): Promise<Uint8Array> => randomBytes(33, 1);
  let refused = 0;
  for (let i = 0; i < 4000; i++) {
    const isSkeleton = i % 2 === 0;
    const pick = Math.floor(random() * 40);
    const bytes = Buffer.from(
      isSkeleton ? skeletons[pick]! : encodeRecipe(recipes[pick]!, pageId).recipe,
    );
    for (let k = 0; k <= random() * 3; k++) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    try {
      const again = isSkeleton
        ? encodeSkeleton(decodeSkeleton(bytes, 'skeleton'))
        : encodeRecipe(await decodeRecipe(bytes, 'recipe', noPages), pageId).recipe;
      t.deepEqual(Buffer.from(again), bytes);
    } catch (error) {
      refused++;
      // A changed version byte reads as a later format.
      if (!isDamage(error) && !(error instanceof FormatVersionError)) throw error;
    }
  }
  t.true(refused > 1000);
});

test('skeleton: lying counts and fields that contradict each other are refused', (t) => {
  const row = ['n', 'F32', [1], null, 0, 1, 0];
  const data = [2, 4, 4];
  const wrong: [string, Packed][] = [
    ['an earlier form', [0, 'x', new Uint8Array(0), [], []]],
    ['a field too many', [1, 'x', new Uint8Array(0), [], [], 0]],
    ['fixed parts longer than the literal', [1, 'x', new Uint8Array(3), [[0, 4]], []]],
    ['fixed parts shorter than the literal', [1, 'x', new Uint8Array(3), [[0, 2]], []]],
    ['an unknown part', [1, 'x', new Uint8Array(0), [[5]], []]],
    ['a width of 3', [1, 'x', new Uint8Array(0), [[2, 3, 3]], []]],
    ['a negative count', [1, 'x', new Uint8Array(0), [[3, 4, -1, 0]], []]],
    ['a part too many fields', [1, 'x', new Uint8Array(0), [[4, 1]], []]],
    ['an unknown dtype', [1, 'x', new Uint8Array(0), [data], [['n', 'F33', [1], null, 0, 1, 0]]]],
    ['a part that is not there', [1, 'x', new Uint8Array(0), [], [row]]],
    [
      'a rank of 65',
      [1, 'x', new Uint8Array(0), [data], [['n', 'F32', Array(65).fill(1), null, 0, 1, 0]]],
    ],
    [
      'a negative extent of a shape',
      [1, 'x', new Uint8Array(0), [data], [['n', 'F32', [-1], null, 0, 1, 0]]],
    ],
    ['an unknown role', [1, 'x', new Uint8Array(0), [data], [['n', 'F32', [1], null, 3, 1, 0]]]],
  ];
  for (const [what, value] of wrong) {
    t.throws(() => decodeSkeleton(encodeCanonical(value), 's'), { code: 'DLV_CORRUPT' }, what);
  }
  // A later form may have any fields.
  for (const later of [
    [2, 'x'],
    [2, 'x', new Uint8Array(0), [], [], 'more'],
  ]) {
    t.throws(() => decodeSkeleton(encodeCanonical(later), 's'), { code: 'DLV_FORMAT_VERSION' });
  }
  t.notThrows(() =>
    decodeSkeleton(encodeCanonical([1, 'x', new Uint8Array(0), [data], [row]]), 's'),
  );
  const later = encodeCanonical([2, 'x', new Uint8Array(0), [], []]);
  t.throws(() => decodeSkeleton(later, 's'), { code: 'DLV_FORMAT_VERSION' });
});

test('data literals: cuts gather whole parts up to the target and use every byte once', (t) => {
  const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 40 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 900 }), (sizes, target) => {
      const parts = sizes.flatMap((length): Part[] => [
        { kind: 'data', width: 4, length, byteSwap: false },
        { kind: 'data', width: 2, length: 5, byteSwap: false },
      ]);
      const cuts = dataBlobLengths(parts, 4, target);
      t.is(
        cuts.reduce((a, b) => a + b, 0),
        sizes.reduce((a, b) => a + b, 0),
      );
      const ends = new Set<number>();
      let at = 0;
      for (const length of sizes) ends.add((at += length));
      let end = 0;
      for (const cut of cuts) {
        t.true(ends.has((end += cut)), 'a part is never cut');
        t.true(cut <= target || sizes.includes(cut), 'only a single part may be longer');
      }
    }),
  );
});
