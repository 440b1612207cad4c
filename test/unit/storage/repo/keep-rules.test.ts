/** Rules for versions as text: every word is read and written again; anything else is no rule. */
import test from 'ava';
import {
  formatKeepRules,
  parseKeepRules,
  parseModelRules,
} from '../../../../lib/storage/repo/settings/keep-rules.js';

const READ = {
  'last 5': { last: 5 },
  '  last   5 ': { last: 5 },
  'best 3 by eval_loss': { best: [{ count: 3, metric: 'eval_loss', better: null }] },
  'best 3 by x lower, best 1 by y higher': {
    best: [
      { count: 3, metric: 'x', better: 'lower' },
      { count: 1, metric: 'y', better: 'higher' },
    ],
  },
  'every 1000 steps': { every: 1000 },
  'within 30 days': { within: 30 },
  'within 30d': { within: 30 },
  'daily 7, weekly 4, monthly 12': { daily: 7, weekly: 4, monthly: 12 },
  'branches release/*,branches main': { branches: ['release/*', 'main'] },
  'optimizer 0': { optimizer: 0 },
} as const;

for (const [text, rules] of Object.entries(READ)) {
  test(`keep rules: '${text}' is read and written again`, (t) => {
    const read = parseKeepRules(text);
    t.deepEqual(read as unknown, rules);
    t.deepEqual(parseKeepRules(formatKeepRules(read!)), read);
  });
}

for (const text of [
  '',
  ',',
  'last',
  'last 0',
  'last -1',
  'last 5,',
  'last 5, last 6',
  'last 5 days',
  'daily 5 steps',
  'every 10 days',
  'best 3',
  'best 0 by loss',
  'best 3 by loss smaller',
  'branches',
  'newest 4',
  'last 9999999999',
]) {
  test(`keep rules: '${text}' is none`, (t) => {
    t.is(parseKeepRules(text), null);
  });
}

test('keep rules: the setting gives each model its own', (t) => {
  t.deepEqual(parseModelRules('last 2'), [{ model: '*', rules: { last: 2 } }]);
  t.deepEqual(parseModelRules('bert: last 5; *: every 10'), [
    { model: 'bert', rules: { last: 5 } },
    { model: '*', rules: { every: 10 } },
  ]);
  t.is(parseModelRules('bert: last 5; *:'), null);
  t.is(parseModelRules(': last 5'), null);
});
