/**
 * Goal: the reader of a file runs ahead of what is encoded by so many bytes and no further, never waits
 * for its own planes, and is woken by a failure. Method: leases that the test gives back by hand.
 */
import test from 'ava';
import { PlanesInFlight } from '../../../../lib/storage/ingest/planes-in-flight.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Says whether a promise is fulfilled. */
function watch(promise: Promise<unknown>): { isDone: boolean } {
  const seen = { isDone: false };
  promise.then(
    () => {
      seen.isDone = true;
    },
    () => {},
  );
  return seen;
}

test('lend: waits until what others hold leaves room', async (t) => {
  const flight = new PlanesInFlight(100);
  const first = await flight.lend(4, 15, []);
  const second = flight.lend(4, 15, []);
  const seen = watch(second);
  await turn();
  t.false(seen.isDone);
  first.release();
  t.is((await second).planes.length, 4);
});

test('lend: what is larger than the limit is lent alone', async (t) => {
  const flight = new PlanesInFlight(10);
  const large = await flight.lend(4, 100, []);
  const more = await flight.lend(4, 100, [large]);
  const next = flight.lend(4, 1, []);
  const seen = watch(next);
  large.release();
  await turn();
  t.false(seen.isDone, 'others hold more than the limit still');
  more.release();
  await next;
  t.pass();
});

test('lend: bounds the number of leases', async (t) => {
  const flight = new PlanesInFlight(1e9);
  const leases = [];
  for (let i = 0; i < 64; i++) leases.push(await flight.lend(1, 1, []));
  const next = flight.lend(1, 1, []);
  const seen = watch(next);
  await turn();
  t.false(seen.isDone);
  leases[0]?.release();
  await next;
  t.pass();
});

test('fail: wakes the reader, and whoever asks later is told, too', async (t) => {
  const flight = new PlanesInFlight(10);
  await flight.lend(1, 10, []);
  const waiting = flight.lend(1, 10, []);
  const first = new Error('first');
  flight.fail(first);
  flight.fail(new Error('second'));
  t.is(await t.throwsAsync(waiting), first);
  t.is(await t.throwsAsync(flight.lend(1, 1, [])), first);
  t.throws(() => flight.check(), { is: first });
});
