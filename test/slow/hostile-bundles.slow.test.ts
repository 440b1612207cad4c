/**
 * Every byte of a small bundle is flipped, and it is cut everywhere; DLV_TRUST_SECONDS bounds the search, whose order the seed
 * decides. What is refused leaves nothing, here or beside the repository.
 */
import test, { type ExecutionContext } from 'ava';
import { SpoiledBundle } from '../helpers/spoiled-bundle.js';
import { hasTime, inSeedOrder } from '../trust/budget.js';

/** Tries spoilt bundles until the time is over, and says how many there were. */
async function tryAll(
  t: ExecutionContext,
  what: string,
  spoil: (bytes: Buffer, at: number) => [name: string, bytes: Uint8Array][],
): Promise<void> {
  t.timeout(3_600_000);
  const bundle = await SpoiledBundle.make(t);
  const places = inSeedOrder([...bundle.bytes.keys()]);
  let tried = 0;
  for (const at of places) {
    if (tried > 0 && !hasTime()) break;
    for (const [name, bytes] of spoil(bundle.bytes, at)) {
      t.is(await bundle.problem(bytes), null, name);
      tried++;
    }
  }
  t.deepEqual(await bundle.strays(), []);
  process.stdout.write(`# bundles ${what}: ${tried} tried, of ${places.length} places\n`);
}

test('hostile bundles: every byte, flipped in one bit and in all', (t) =>
  tryAll(t, 'flipped', (whole, at) =>
    [1 << (at % 8), 0xff].map((mask) => {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= mask;
      return [`byte ${at} ^ ${mask}`, bytes];
    }),
  ));

test('hostile bundles: cut at every byte', (t) =>
  tryAll(t, 'cut', (whole, at) => [[`${at}`, whole.subarray(0, at)]]));

test('hostile bundles: regions of zeros, of ones and of what stands elsewhere', (t) =>
  tryAll(t, 'overwritten', (whole, at) =>
    [4, 33, 512].flatMap((length) =>
      (['zeros', 'ones', 'moved'] as const).map((how): [string, Uint8Array] => {
        const bytes = Buffer.from(whole);
        const end = Math.min(at + length, bytes.length);
        if (how === 'moved') bytes.copyWithin(at, (at * 7919) % (bytes.length - length));
        else bytes.fill(how === 'zeros' ? 0 : 0xff, at, end);
        if (how === 'moved') whole.copy(bytes, end, end);
        return [`${how} ${at} to ${end}`, bytes];
      }),
    ),
  ));
