/** Dates as people type them. */
import test from 'ava';
import { parseDate } from '../../../../lib/use/history/dates.js';

const NOW = new Date(2026, 2, 31, 12, 30, 15, 250);

function at(text: string, day: 'begin' | 'end' = 'begin'): Date {
  return new Date(parseDate(text, NOW, day).time);
}

test('dates: days and times of this machine', (t) => {
  t.deepEqual(at('2026-01-31'), new Date(2026, 0, 31));
  t.deepEqual(at('2026-01-31', 'end'), new Date(2026, 0, 31, 23, 59, 59, 999));
  t.deepEqual(at('2026-01-31 08:05'), new Date(2026, 0, 31, 8, 5));
  t.deepEqual(at('2026-01-31T08:05:09', 'end'), new Date(2026, 0, 31, 8, 5, 9));
  t.is(parseDate('2026-07-01').tzMinutes, -new Date(2026, 6, 1).getTimezoneOffset() + 0);
});

test('dates: a zone or seconds as they are given', (t) => {
  t.deepEqual(parseDate('2026-01-31T12:00:00+02:00'), {
    time: Date.UTC(2026, 0, 31, 10),
    tzMinutes: 120,
  });
  t.deepEqual(parseDate('1769853600 -0330'), { time: 1_769_853_600_000, tzMinutes: -210 });
  t.deepEqual(parseDate('2026-01-31T12:00:00Z').time, Date.UTC(2026, 0, 31, 12));
});

test('dates: words', (t) => {
  t.deepEqual(at('now'), NOW);
  t.deepEqual(at('today'), new Date(2026, 2, 31));
  t.deepEqual(at('Yesterday', 'end'), new Date(2026, 2, 30, 23, 59, 59, 999));
  t.deepEqual(at('90 seconds ago'), new Date(NOW.getTime() - 90_000));
  t.deepEqual(at('2 weeks ago'), new Date(2026, 2, 17, 12, 30, 15, 250));
  t.deepEqual(at('2.weeks.ago'), at('14 days ago'));
  t.deepEqual(at('a day ago'), at('1 day ago'));
  // 31 February is not a day: the last one of that month is meant.
  t.deepEqual(at('1 month ago'), new Date(2026, 1, 28, 12, 30, 15, 250));
  t.deepEqual(at('2 years ago'), new Date(2024, 2, 31, 12, 30, 15, 250));
});

test('dates: anything else is refused', (t) => {
  for (const text of ['', '2026-02-30', '2026-13-01', '2026-01-01 25:00', 'soon', '-1 days ago']) {
    t.throws(() => parseDate(text, NOW), { code: 'DLV_USAGE' }, text);
  }
});
