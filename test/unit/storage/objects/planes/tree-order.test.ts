/** Trees of deltas are decoded bases first, and no slot is taken while its planes are still needed. */
import test from 'ava';
import fc from 'fast-check';
import type { Id } from '../../../../../lib/base/bytes/hash.js';
import { layOutTree } from '../../../../../lib/storage/objects/planes/tree-order.js';

/** @param parents  of the records after the root: each a number below its own. */
function laidOut(parents: readonly number[]) {
  const children = new Map<Id, Id[]>();
  for (const [i, parent] of parents.entries()) {
    const base = `${parent}` as Id;
    children.set(base, [...(children.get(base) ?? []), `${i + 1}` as Id]);
  }
  return layOutTree('0' as Id, (id) => children.get(id) ?? []);
}

test('every record is decoded once, over planes that are there, in few slots', (t) => {
  const trees = fc
    .array(fc.nat(), { maxLength: 60 })
    .map((picks) => picks.map((pick, i) => pick % (i + 1)));
  fc.assert(
    fc.property(trees, (parents) => {
      const order = laidOut(parents);
      t.is(new Set(order.map(({ id }) => id)).size, parents.length + 1);
      t.is(order.length, parents.length + 1);
      const held = new Map<number, number>();
      for (const [at, { id, base, slot }] of order.entries()) {
        if (base === null) t.is(id, '0' as Id);
        else {
          t.is(order[base]!.id, `${parents[Number(id) - 1]}` as Id);
          t.is(held.get(order[base]!.slot), base, 'the base is still there');
          t.not(slot, order[base]!.slot);
        }
        held.set(slot, at);
      }
      const slots = new Set(order.map(({ slot }) => slot)).size;
      t.true(slots <= Math.floor(Math.log2(order.length)) + 2, `${slots} of ${order.length}`);
    }),
  );
});

test('a chain takes two slots, however long', (t) => {
  const order = laidOut(Array.from({ length: 20_000 }, (_, i) => i));
  t.is(new Set(order.map(({ slot }) => slot)).size, 2);
});
