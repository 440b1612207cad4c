/** What archive says of a plan, in one line: no share of nothing, whatever the numbers are. */
import test from 'ava';
import { worthLine } from '../../../../lib/cli/output/archive-report.js';

test('worth: bytes and share where there are any, in both directions', (t) => {
  const speeds = { slowestBefore: 100, slowestPlanned: 150 };
  const says = (savedBytes: number, verdict: 'worth' | 'hardly' | 'grows', done = false): string =>
    worthLine({ savedBytes, savedShare: savedBytes / 4096, ...speeds, verdict }, { done });
  t.is(
    says(1024, 'worth'),
    'would save 1.00 KiB (25 %) and make the slowest version 1.5 × slower to read: worth it',
  );
  t.is(
    says(-1024, 'grows', true),
    'made the repository grow by 1.00 KiB (25 %) and the slowest version 1.5 × slower to read',
  );
  for (const done of [false, true]) {
    const line = says(0, 'hardly', done);
    t.regex(line, /^(would save nothing and make|saved nothing and made) the slowest version/);
    t.notRegex(line, /NaN|%/);
  }
});
