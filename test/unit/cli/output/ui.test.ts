/** What is printed where. Goal: stdout stays data, names cannot steer the terminal, units read well. */
import test from 'ava';
import { BugError } from '../../../../lib/base/errors.js';
import {
  createStyle,
  displayWidth,
  printable,
  toTerminal,
  wantsColor,
} from '../../../../lib/cli/output/terminal.js';
import {
  createUi,
  formatBytes,
  formatCount,
  formatDuration,
  formatJson,
  formatNumber,
  formatShare,
  formatTime,
} from '../../../../lib/cli/output/ui.js';

class Recorder {
  text = '';
  isTTY = false;
  write(chunk: string | Uint8Array): boolean {
    this.text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1');
    return true;
  }
}

function ui(options: { json?: boolean; quiet?: boolean } = {}) {
  const stdout = new Recorder();
  const stderr = new Recorder();
  return { stdout, stderr, ui: createUi({ ...options, stdout, stderr, env: {} }) };
}

test('ui: data goes to stdout, chatter and warnings to stderr', (t) => {
  const run = ui();
  run.ui.line('data');
  run.ui.note('chatter');
  run.ui.warn('careful');
  run.ui.document({ not: 'printed' });
  t.is(run.stdout.text, 'data\n');
  t.is(run.stderr.text, 'chatter\nwarning: careful\n');
});

test('ui: -q drops chatter and keeps warnings', (t) => {
  const run = ui({ quiet: true });
  run.ui.note('chatter');
  run.ui.warn('careful');
  t.is(run.stderr.text, 'warning: careful\n');
});

test('ui: --json makes a warning one line of JSON, whatever is in it', (t) => {
  const run = ui({ json: true, quiet: true });
  run.ui.warn('a\nb \u202e "c"');
  t.is(run.stderr.text, '{"warning":"a\\nb \\u202e \\"c\\""}\n');
});

test('ui: --json leaves exactly one document on stdout', (t) => {
  const run = ui({ json: true });
  run.ui.line('data');
  run.ui.document({ a: 1 });
  t.deepEqual(JSON.parse(run.stdout.text), { a: 1 });
  t.throws(() => run.ui.document({ b: 2 }), { instanceOf: BugError });
});

test('ui: raw bytes wait for a slow reader', async (t) => {
  const stdout = new Recorder();
  let drain = () => {};
  const slow = Object.assign(stdout, {
    write: () => false,
    once: (_: 'drain', listener: () => void) => {
      drain = listener;
    },
  });
  let written = false;
  const pending = createUi({ stdout: slow, env: {} })
    .bytes(new Uint8Array(3))
    .then(() => {
      written = true;
    });
  await new Promise(setImmediate);
  t.false(written);
  drain();
  await pending;
  t.true(written);
});

test('color: NO_COLOR wins, FORCE_COLOR next, then the terminal', (t) => {
  const terminal = { write: () => true, isTTY: true };
  const pipe = { write: () => true, isTTY: false };
  t.true(wantsColor(terminal, {}));
  t.false(wantsColor(pipe, {}));
  t.false(wantsColor(terminal, { NO_COLOR: '1' }));
  t.false(wantsColor(terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }));
  t.true(wantsColor(terminal, { NO_COLOR: '' }), 'an empty NO_COLOR counts as absent');
  t.true(wantsColor(pipe, { FORCE_COLOR: '1' }));
  t.false(wantsColor(terminal, { FORCE_COLOR: '0' }));
  t.false(wantsColor(terminal, { TERM: 'dumb' }));
});

test('color: attributes close what they open, and are nothing without color', (t) => {
  t.is(toTerminal(createStyle(true).red('a')), '\x1b[31ma\x1b[39m');
  t.is(toTerminal(createStyle(true).bold('a')), '\x1b[1ma\x1b[22m');
  t.is(createStyle(false).red('a'), 'a');
});

test('printable: a hostile name cannot steer the terminal', (t) => {
  t.is(printable('\x1b[2Jgone\r\n'), '\\x1b[2Jgone\\x0d\\x0a');
  t.is(printable('a\u202eb'), 'a\\u{202e}b');
  t.is(printable('fc1.weight Ä 権 😀'), 'fc1.weight Ä 権 😀');
  t.is(printable('a\u{e0041}\u00ad\u115f\ud800'), 'a\\u{e0041}\\xad\\u{115f}\\u{d800}');
});

test('printable: attributes of a stranger are text, those of the command are not', (t) => {
  const style = createStyle(true);
  const mark = (style.red('x').split('x')[0] as string).replace(/[0-9a-f]{16}/, '0'.repeat(16));
  t.is(toTerminal(style.bold('\x1b[31m\n')), '\x1b[1m\\x1b[31m\\x0a\x1b[22m');
  t.is(toTerminal(`${mark}a`), `${printable(mark)}a`, 'a mark cannot be guessed');
});

test('json: what must not reach a terminal is escaped, and means the same', (t) => {
  const value = { 'a\u202e\x7f': ['\u{e0041}\n\u2028', 'Ä', 2n ** 60n] };
  const text = formatJson(value);
  t.regex(text, /^[\n\x20-\x7eÄ]*$/);
  t.deepEqual(JSON.parse(text), { 'a\u202e\x7f': ['\u{e0041}\n\u2028', 'Ä', String(2n ** 60n)] });
});

test('format: bytes keep three digits and change units at 1024', (t) => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [1536, '1.50 KiB'],
    [23.4 * 2 ** 20, '23.4 MiB'],
    [1023.7 * 1024, '1.00 MiB'],
    [512 * 2 ** 30, '512 GiB'],
    [5 * 2 ** 60, '5120 PiB'],
    [-2048, '-2.00 KiB'],
  ];
  for (const [bytes, text] of cases) t.is(formatBytes(bytes), text);
});

test('format: durations, counts, shares', (t) => {
  t.deepEqual([0.04, 1.24, 45.2, 185, 59.7, 7800, 86_400].map(formatDuration), [
    '40 ms',
    '1.2 s',
    '45 s',
    '3 min 05 s',
    '1 min 00 s',
    '2 h 10 min',
    '24 h 00 min',
  ]);
  t.is(formatNumber(1432746), '1,432,746');
  t.is(formatNumber(-999), '-999');
  t.is(formatCount(1, 'file'), '1 file');
  t.is(formatCount(1000, 'entry', 'entries'), '1,000 entries');
  t.deepEqual(
    [formatShare(0, 5), formatShare(3, 1000), formatShare(41, 100), formatShare(1, 0)],
    ['0 %', '0.3 %', '41 %', '–'],
  );
});

test('format: a time carries its zone', (t) => {
  const time = new Date(1_700_000_000_000);
  const text = formatTime(time);
  t.regex(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}$/);
  t.is(new Date(text.replace(/^(\S+) (\S+) (\S+)$/, '$1T$2$3')).getTime(), time.getTime());
});

test('width: attributes take none, wide characters two, marks none', (t) => {
  t.is(displayWidth(createStyle(true).red('ab')), 2);
  t.is(displayWidth('権重'), 4);
  t.is(displayWidth('e\u0301'), 1);
});
