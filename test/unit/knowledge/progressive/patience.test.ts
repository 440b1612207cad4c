/** Proofs stop where reading the rest is quicker, if time is what counts. */
import test from 'ava';
import { Patience } from '../../../../lib/knowledge/progressive/patience.js';

/** Patience by a clock that a test moves. */
function timed(goal: 'bytes' | 'time', all: number) {
  let now = 0;
  const patience = new Patience(goal, all, () => now);
  const pass = (milliseconds: number): void => {
    now += milliseconds;
  };
  const read = (bytes: number, milliseconds: number): void => {
    pass(milliseconds);
    patience.noteRead(bytes, milliseconds);
  };
  return { patience, pass, read };
}

test('patience: proofs may take as long as reading the rest would', (t) => {
  const { patience, pass, read } = timed('time', 1000);
  t.false(patience.isOver, 'nothing is known yet');
  read(400, 400); // The other 600 bytes take 600 ms.
  pass(599);
  t.false(patience.isOver);
  pass(2);
  t.true(patience.isOver);
});

test('patience: what is read meanwhile is no proof, and leaves less to read', (t) => {
  const { patience, pass, read } = timed('time', 1000);
  read(400, 400);
  pass(100);
  read(700, 300); // 300 ms are left.
  pass(190);
  t.false(patience.isOver, '290 ms of proofs');
  pass(20);
  t.true(patience.isOver, '310 ms of proofs');
});

test('patience: no proof begins where the rest is read in less time than any proof takes', (t) => {
  const { patience, read } = timed('time', 1000);
  read(400, 10);
  t.true(patience.isOver);
});

test('patience: where bytes count, proofs take what they take', (t) => {
  const { patience, pass, read } = timed('bytes', 1000);
  read(400, 10);
  pass(1e9);
  t.false(patience.isOver);
});
