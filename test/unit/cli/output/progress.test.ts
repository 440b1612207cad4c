/** The bar, driven by a clock of the test's own. */
import test from 'ava';
import { createProgress } from '../../../../lib/cli/output/progress.js';

const MIB = 2 ** 20;

function setup(isTTY: boolean, enabled = true) {
  const stream = {
    isTTY,
    columns: 80,
    text: '',
    write(chunk: string | Uint8Array): boolean {
      this.text += chunk;
      return true;
    },
  };
  const clock = { ms: 0 };
  const bar = createProgress({ stream, enabled, now: () => clock.ms });
  return { stream, clock, bar };
}

test('progress: work under a second shows nothing', (t) => {
  const { stream, clock, bar } = setup(true);
  bar.start('adding', 10 * MIB);
  clock.ms = 900;
  bar.advance(10 * MIB);
  bar.finish();
  t.is(stream.text, '');
});

test('progress: a terminal line has share, amounts, rate and time left, and is wiped at the end', (t) => {
  const { stream, clock, bar } = setup(true);
  bar.start('adding model', 100 * MIB);
  clock.ms = 2000;
  bar.advance(20 * MIB);
  t.is(stream.text, '\radding model  20 %  20.0 MiB of 100 MiB  10.0 MiB/s  8.0 s left\x1b[K');
  stream.text = '';
  clock.ms = 2050;
  bar.advance(MIB);
  t.is(stream.text, '', 'redrawn at most every 100 ms');
  bar.finish();
  t.is(stream.text, '\r\x1b[K');
});

test('progress: no time left is told from the first bytes', (t) => {
  const { stream, clock, bar } = setup(true);
  bar.start('fetching', 100 * MIB);
  clock.ms = 2000;
  bar.advance(7);
  t.regex(stream.text, / 0 % {2}7 B of 100 MiB {2}4 B\/s\x1b\[K$/);
  stream.text = '';
  clock.ms = 4000;
  bar.advance(MIB);
  t.regex(stream.text, / left/);
  bar.finish();
});

test('progress: a wide terminal shows the bar and no line is wider than the terminal', (t) => {
  const { stream, clock, bar } = setup(true);
  stream.columns = 120;
  bar.start('adding', 4 * MIB);
  clock.ms = 2000;
  bar.advance(MIB);
  t.true(stream.text.includes('[######------------------]'));
  stream.columns = 30;
  stream.text = '';
  clock.ms = 3000;
  bar.advance(MIB);
  t.is(stream.text.replace(/\r|\x1b\[K/g, '').length, 29);
  bar.finish();
});

test('progress: a terminal of no width, or of one that cannot be, ends no command', (t) => {
  for (const columns of [0, 1, -5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
    const { stream, clock, bar } = setup(true);
    stream.columns = columns;
    bar.start('adding', 4 * MIB);
    clock.ms = 2000;
    bar.advance(MIB);
    t.true(stream.text.includes('adding'), `${columns} columns`);
    t.true(stream.text.length < 1100, `${columns} columns`);
  }
});

test('progress: without a terminal there is a line every five seconds and one at the end', (t) => {
  const { stream, clock, bar } = setup(false);
  bar.start('reading', 100 * MIB);
  for (clock.ms = 500; clock.ms <= 10_000; clock.ms += 500) bar.advance(MIB);
  clock.ms = 10_000;
  bar.finish();
  const lines = stream.text.trimEnd().split('\n');
  t.is(lines.length, 3);
  t.true(lines.every((line) => line.startsWith('reading: ')));
  t.is(lines.at(-1), 'reading: 20.0 MiB in 10 s, 2.00 MiB/s');
  t.false(stream.text.includes('\x1b'));
});

test('progress: nothing is written when it is off', (t) => {
  const { stream, clock, bar } = setup(true, false);
  bar.start('adding', MIB);
  clock.ms = 5000;
  bar.advance(MIB);
  bar.finish();
  t.is(stream.text, '');
});

test('progress: an unknown total and a hostile label are shown as they are', (t) => {
  const { stream, clock, bar } = setup(false);
  bar.start('a\x1b[2Jb', 0);
  clock.ms = 1500;
  bar.advance(3 * MIB);
  t.is(stream.text, 'a\\x1b[2Jb: 3.00 MiB  2.00 MiB/s\n');
  bar.finish();
});

test('progress: the rate follows the last ten seconds', (t) => {
  const { stream, clock, bar } = setup(false);
  bar.start('x', 1000 * MIB);
  for (let second = 1; second <= 40; second++) {
    clock.ms = second * 1000;
    bar.advance(second <= 20 ? 10 * MIB : MIB);
  }
  t.regex(stream.text.trimEnd().split('\n').at(-1)!, / 1\.00 MiB\/s/);
  bar.finish();
});

test('progress: other units than bytes', (t) => {
  const stream = { text: '', write: (chunk: string | Uint8Array) => !!(stream.text += chunk) };
  const clock = { ms: 0 };
  const bar = createProgress({ stream, now: () => clock.ms });
  bar.start('checking', 10, 'files');
  clock.ms = 2000;
  bar.advance(5);
  t.is(stream.text, 'checking:  50 %  5 files of 10 files  3 files/s  2.0 s left\n');
  bar.finish();
});

test('progress: a long run without a terminal writes few lines; what ends in lumps has a steady time left', (t) => {
  const { stream, clock, bar } = setup(false);
  bar.start('answering', 60, 'examples');
  for (let second = 1; second <= 220; second++) {
    clock.ms = second * 1000;
    // Six at once, each 40 seconds.
    bar.advance(second % 40 === 0 ? 6 : 0);
  }
  const lines = stream.text.trimEnd().split('\n');
  t.true(lines.length <= 8, stream.text);
  const left = lines.filter((line) => !line.includes(' 0 %')).map((line) => / left$/.test(line));
  t.true(left.length > 0 && left.every(Boolean), stream.text);
  bar.finish();
});
