/**
 * Goal: the cache keeps its bound, drops what was used least recently, and tells of every value that
 * leaves it exactly once. Method: random calls, beside a list that says the same slowly.
 */
import test from 'ava';
import fc from 'fast-check';
import { LruCache } from '../../../../lib/base/bytes/lru-cache.js';

interface Kept {
  key: number;
  value: string;
  weight: number;
}

const MAX = 10;

/** The cache as a list, the least recently used first. */
class Model {
  items: Kept[] = [];
  readonly dropped: string[] = [];

  take(key: number): Kept | undefined {
    const at = this.items.findIndex((item) => item.key === key);
    return at < 0 ? undefined : this.items.splice(at, 1)[0];
  }

  set(key: number, value: string, weight: number): void {
    const before = this.take(key);
    if (before && before.value !== value) this.dropped.push(before.value);
    if (weight > MAX) {
      if (before?.value === value) this.dropped.push(value);
      return;
    }
    this.items.push({ key, value, weight });
    while (this.items.reduce((sum, item) => sum + item.weight, 0) > MAX) {
      this.dropped.push(this.items.shift()!.value);
    }
  }
}

const call = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    key: fc.nat(6),
    weight: fc.nat(12),
    same: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom('get' as const, 'peek' as const, 'delete' as const),
    key: fc.nat(6),
  }),
  fc.record({ kind: fc.constant('clear' as const) }),
);

test('lru: any calls give what a plain list gives', (t) => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
      const dropped: string[] = [];
      const cache = new LruCache<number, string>(MAX, (value) => dropped.push(value));
      const model = new Model();
      for (const [i, made] of calls.entries()) {
        if (made.kind === 'clear') {
          cache.clear();
          model.dropped.push(...model.items.splice(0).map((item) => item.value));
        } else if (made.kind === 'set') {
          const held = model.items.find((item) => item.key === made.key)?.value;
          const value = made.same && held !== undefined ? held : `value ${i}`;
          cache.set(made.key, value, made.weight);
          model.set(made.key, value, made.weight);
        } else {
          const held = model.items.find((item) => item.key === made.key);
          if (made.kind === 'peek') t.is(cache.peek(made.key), held?.value);
          else {
            const taken = model.take(made.key);
            if (made.kind === 'get') {
              t.is(cache.get(made.key), held?.value);
              if (taken) model.items.push(taken);
            } else {
              cache.delete(made.key);
              if (taken) model.dropped.push(taken.value);
            }
          }
        }
        t.deepEqual(
          cache.keys(),
          model.items.map((item) => item.key),
        );
        t.is(
          cache.weight,
          model.items.reduce((sum, item) => sum + item.weight, 0),
        );
        t.is(cache.size, model.items.length);
        t.deepEqual(dropped, model.dropped);
      }
    }),
    { numRuns: 300 },
  );
});
