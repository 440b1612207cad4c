/** A study while it runs: the table of a terminal, plain lines elsewhere, events with --json. */
import test from 'ava';
import { createUi, type Ui } from '../../../../lib/cli/output/ui.js';
import { watchStudy } from '../../../../lib/cli/output/versions/study-live.js';
import type { StudyPlan, StudyTrial, TrialProgress } from '../../../../lib/use/ops/study.js';

const PLAN: StudyPlan = {
  ...{ study: 'ab'.repeat(32), sources: [{ version: 'v' as never, name: 'net@1' }], cells: 2 },
  ...{ trialsOfCell: 1, method: null, trials: 4, rungs: [{ after: 100, rule: 'top 1 by loss' }] },
  ...{ iterations: 100, steps: 400, seed: 0, workers: 2, executor: 'local' as const },
  ...{ place: 'this machine', isLess: true },
};

function progress(number: number, iteration: number, more: object = {}): TrialProgress {
  return {
    ...{ number, trial: String(number), state: 'running', source: 'net@1', iteration, until: 100 },
    ...{ assignment: { base_lr: 0.1, name: '\x1b[31mred' }, values: { loss: 1 / iteration } },
    ...more,
  };
}

function ended(number: number, state: StudyTrial['state'], value: number | null): StudyTrial {
  return {
    ...{ number, trial: String(number), state, source: 'net@1', assignment: {}, iterations: 100 },
    rungs: [{ iteration: 100, metric: 'loss', value, isKept: true }],
    ...{ seconds: 1, message: state === 'failed' ? 'no memory' : null, version: null },
    ...{ name: `t@${number}`, isKnown: false },
  };
}

function uiOf(isTTY: boolean, json = false): { ui: Ui; written: () => string } {
  let text = '';
  const stderr = { isTTY, columns: 140, write: (chunk: string | Uint8Array) => !!(text += chunk) };
  return { ui: createUi({ stderr, json, env: { NO_COLOR: '1' } }), written: () => text };
}

/** What a terminal shows in the end. */
function screen(text: string): string[] {
  const lines: string[] = [];
  let at = 0;
  for (const [part] of text.matchAll(/\x1b\[(\d+)A|\x1b\[J|[^\n\x1b]*\n/g)) {
    const up = /^\x1b\[(\d+)A/.exec(part);
    if (up !== null) at -= Number(up[1]);
    else if (part === '\x1b[J') lines.length = at;
    else {
      lines[at] = part.trimEnd();
      at += 1;
    }
  }
  return lines;
}

test('on a terminal the table stands once, below trials that failed, and is gone in the end', (t) => {
  let now = 0;
  const { ui, written } = uiOf(true);
  const watch = watchStudy(ui, true, () => now);
  watch.onPlan(PLAN);
  for (let step = 10; step <= 50; step += 10) {
    now += 1000;
    watch.onProgress?.(progress(1, step));
    now += 1000;
    watch.onProgress?.(progress(2, step));
  }
  const shown = screen(written());
  const head = shown.findIndex((line) => line.startsWith('0 of 4 trials ended'));
  t.true(head > 0);
  t.deepEqual(shown.slice(head + 2), [
    '      1  50/100  loss 0.02  10 s  base_lr 0.1, name \\x1b[31mred',
    '      2  50/100  loss 0.02  10 s  base_lr 0.1, name \\x1b[31mred',
  ]);
  // 80 steps in 10 seconds: 320 are left.
  t.regex(shown[head] ?? '', /at most 40 s left/);
  now += 1000;
  watch.onTrial(ended(1, 'failed', null));
  now += 1000;
  watch.onTrial(ended(2, 'complete', 0.5));
  const later = screen(written());
  t.is(later.filter((line) => / of 4 trials ended/.test(line)).length, 1);
  t.true(later.some((line) => /trial 1 failed .*no memory/.test(line)));
  t.regex(
    later.at(-1) ?? '',
    /2 of 4 trials ended \(1 failed, 1 complete\); best loss 0.5, trial 2/,
  );
  watch.end();
  t.false(screen(written()).some((line) => / of 4 trials ended/.test(line)));
});

test('elsewhere there is a line for each trial, with --json one for each event', (t) => {
  const plain = uiOf(false);
  const lines = watchStudy(plain.ui, true);
  t.is(lines.onProgress, undefined);
  lines.onPlan(PLAN);
  lines.onTrial(ended(3, 'pruned', 0.7));
  t.regex(
    plain.written(),
    /study abab.*\n.*top 1.*\n.*on this machine\ntrial 3 pruned at 100, loss 0.7/s,
  );
  t.notRegex(plain.written(), /\x1b/);
  const json = uiOf(true, true);
  const events = watchStudy(json.ui, true);
  events.onPlan(PLAN);
  events.onProgress?.(progress(1, 10));
  events.onTrial(ended(1, 'complete', 0.5));
  events.end();
  const said = json
    .written()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  t.like(said[0], { event: 'plan', trials: 4 });
  t.like(said[1], { event: 'progress', iteration: 10, values: { loss: 0.1 } });
  t.like(said[2], { event: 'trial', state: 'complete' });
});
