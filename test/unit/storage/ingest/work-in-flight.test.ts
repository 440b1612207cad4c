/**
 * Goal: work beside the reader keeps its bound, its results are written in order, and its first
 * failure reaches the reader. Method: pieces of work that the test ends by hand, in any order.
 */
import test from 'ava';
import fc from 'fast-check';
import { WorkInFlight, type Write } from '../../../../lib/storage/ingest/work-in-flight.js';

/** Work that ends when the test says so. */
function handmade() {
  let end!: (write: Write) => void;
  let fail!: (error: Error) => void;
  const work = new Promise<Write>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  return { work, end, fail };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('start: writes in the order of the starts, whatever ends first', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5, maxLength: 5 }),
      async (ends) => {
        const flight = new WorkInFlight();
        const written: number[] = [];
        const pieces = ends.map(() => handmade());
        for (const [i, { work }] of pieces.entries()) flight.start(`${i}`, 1, work);
        for (const i of ends) {
          pieces[i]!.end(async () => {
            await turn();
            written.push(i);
          });
          await turn();
        }
        await flight.settle();
        t.deepEqual(written, [0, 1, 2, 3, 4]);
      },
    ),
    { numRuns: 20 },
  );
});

test('roomFor: waits for bytes, but lets a piece larger than the limit in alone', async (t) => {
  const flight = new WorkInFlight();
  await flight.roomFor(100, 10);
  const [a, b] = [handmade(), handmade()];
  flight.start('a', 6, a.work);
  flight.start('b', 4, b.work);
  let hasRoom = false;
  const waiting = flight.roomFor(5, 10).then(() => {
    hasRoom = true;
  });
  b.end(async () => {});
  await turn();
  t.false(hasRoom, 'what has ended is in flight until it is written, in its turn');
  a.end(async () => {});
  await waiting;
  t.true(hasRoom);
});

test('roomFor: bounds the number of pieces that take no bytes', async (t) => {
  const flight = new WorkInFlight();
  const pieces = Array.from({ length: 64 }, () => handmade());
  for (const [i, { work }] of pieces.entries()) {
    await flight.roomFor(0, 10);
    flight.start(`${i}`, 0, work);
  }
  let hasRoom = false;
  const waiting = flight.roomFor(0, 10).then(() => {
    hasRoom = true;
  });
  await turn();
  t.false(hasRoom);
  pieces[0]!.end(async () => {});
  await waiting;
  for (const { end } of pieces) end(async () => {});
  await flight.settle();
  flight.check();
});

test('check: throws the first failure, of work or of writing; later work is written all the same', async (t) => {
  const flight = new WorkInFlight();
  const [a, b, c] = [handmade(), handmade(), handmade()];
  let last = false;
  flight.start('a', 1, a.work);
  flight.start('b', 1, b.work);
  flight.start('c', 1, c.work);
  c.end(async () => {
    last = true;
  });
  a.fail(new Error('first'));
  b.end(async () => {
    throw new Error('second');
  });
  await flight.written('c');
  t.true(last);
  t.throws(() => flight.check(), { message: 'first' });
  await t.throwsAsync(flight.roomFor(1, 10), { message: 'first' });
});

test('written: waits for all pieces of one name and for nothing of an unknown one', async (t) => {
  const flight = new WorkInFlight();
  const [a, b] = [handmade(), handmade()];
  flight.start('extent', 1, a.work);
  flight.start('extent', 1, b.work);
  await flight.written('another');
  let isWritten = false;
  const waiting = flight.written('extent').then(() => {
    isWritten = true;
  });
  a.end(async () => {});
  await turn();
  t.false(isWritten);
  b.end(async () => {});
  await waiting;
  t.true(isWritten);
});
