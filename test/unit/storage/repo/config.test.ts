/** Config: the text that people keep, typed values, where they come from; authors and dates. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import {
  currentAuthor,
  currentMoment,
  formatAuthor,
  parseMoment,
} from '../../../../lib/storage/repo/settings/author.js';
import {
  Config,
  changeConfigFile,
  checkRepositoryKey,
  ignoredMessage,
  readConfig,
  userConfigFile,
} from '../../../../lib/storage/repo/settings/config.js';
import { ConfigFile } from '../../../../lib/storage/repo/settings/config-file.js';
import {
  type ConfigKey,
  parseConfigValue,
} from '../../../../lib/storage/repo/settings/config-keys.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { tempRepo } from './temp-repo.js';

const TEXT = `# of the repository
[user]
  name = Ada Lovelace   # the first
; another comment
[chain]
depth=5

[gc]
  graceDays = "1.5"
`;

test('config file: values, quotes and comments', (t) => {
  const config = ConfigFile.parse(TEXT, 'config');
  t.deepEqual(config.settings(), [
    { key: 'user.name', value: 'Ada Lovelace', line: 3 },
    { key: 'chain.depth', value: '5', line: 6 },
    { key: 'gc.graceDays', value: '1.5', line: 9 },
  ]);
  t.is(config.toString(), TEXT);
});

test('config file: changes leave all other lines as they are', (t) => {
  const config = ConfigFile.parse(TEXT, 'config');
  config.set('chain.depth', '7');
  config.set('user.email', 'ada@example.org');
  config.set('core.lockTimeoutMs', '1');
  t.true(config.unset('gc.graceDays'));
  t.false(config.unset('gc.graceDays'));
  t.is(
    config.toString(),
    `# of the repository
[user]
  name = Ada Lovelace   # the first
  email = ada@example.org
; another comment
[chain]
depth = 7

[core]
  lockTimeoutMs = 1
`,
  );
});

test('config file: whatever value is set reads back', (t) => {
  const unit = fc.constantFrom(...'ab "\\#;=[]\t\nü\u2028'.split(''));
  fc.assert(
    fc.property(fc.string({ unit }), fc.string({ unit }), (one, two) => {
      const config = ConfigFile.parse('', 'config');
      config.set('user.name', one);
      config.set('user.email', two);
      config.set('user.name', two);
      config.set('user.name', one);
      const back = ConfigFile.parse(config.toString(), 'config');
      t.is(back.get('user.name'), one);
      t.is(back.get('user.email'), two);
    }),
    { numRuns: 500 },
  );
});

test('config file: errors name the line', (t) => {
  const bad: [string, number][] = [
    ['x = 1\n', 1],
    ['[user]\nname\n', 2],
    ['[user]\n\nname = "Ada\n', 3],
    ['[user]\nname = A "B"\n', 2],
    ['[us er]\n', 1],
    ['[user]\nname = a\n[gc]\n[user]\nname = b\n', 5],
  ];
  for (const [text, line] of bad) {
    const error = t.throws(() => ConfigFile.parse(text, 'config'), { code: 'DLV_CONFIG' });
    t.is((error as unknown as { data: { line: number } }).data.line, line, text);
    t.regex(error.message, new RegExp(`line ${line}`));
  }
});

test('config: unknown keys and bad values name line, key and nearest keys', (t) => {
  const read = (text: string) => {
    const file = ConfigFile.parse(text, 'config');
    return new Config([{ origin: 'repository', file }]);
  };
  const unknown = t.throws(() => read('[chain]\ndept = 3\n'), { code: 'DLV_CONFIG' });
  t.regex(unknown.message, /line 2: there is no setting 'chain.dept'/);
  t.regex(String((unknown as unknown as { data: { hint: string } }).data.hint), /chain\.depth/);
  for (const text of [
    '[chain]\ndepth = ten',
    '[chain]\ndepth = 0',
    '[chain]\ndepth = 1.5',
    '[gc]\nautoSets = -1',
    '[user]\nname = ""',
    '[init]\nbranch = a..b',
  ]) {
    const error = t.throws(() => read(text), { code: 'DLV_CONFIG' });
    t.regex(error.message, /line 2.*(depth|autoSets|name|branch)/);
  }
});

test('config: the repository wins over the user, who wins over the defaults', async (t) => {
  const layout = await tempRepo(t);
  const user = path.join(layout.workTree, 'deep', 'user-config');
  const env = { DLV_CONFIG: user };
  t.is((await readConfig(layout, env)).get('chain.depth'), 10);
  t.true(await changeConfigFile(user, 'chain.depth', '3'));
  t.true(await changeConfigFile(user, 'chain.cost', '2.5'));
  t.true(await changeConfigFile(layout.config, 'chain.depth', '20'));
  const config = await readConfig(layout, env);
  t.is(config.get('chain.depth'), 20);
  t.is(config.get('chain.cost'), 2.5);
  t.is(config.get('user.name'), null);
  const origin = (key: ConfigKey) => config.list().find((row) => row.key === key)?.origin;
  t.deepEqual(
    [origin('chain.depth'), origin('chain.cost'), origin('gc.autoSets')],
    ['repository', 'user', 'default'],
  );
  t.is((await readConfig(null, env)).get('chain.depth'), 3);
  t.true(await changeConfigFile(layout.config, 'chain.depth', null));
  t.false(await changeConfigFile(layout.config, 'chain.depth', null));
  t.regex(await fs.readFile(layout.config, 'utf8'), /^# Settings/);
  await t.throwsAsync(changeConfigFile(layout.config, 'chain.depth', 'x'), { code: 'DLV_CONFIG' });
  await t.throwsAsync(changeConfigFile(layout.config, 'a.b', 'x'), { code: 'DLV_CONFIG' });
});

test('config: a repository says who the user is only where the user allows it', async (t) => {
  const layout = await tempRepo(t);
  const user = path.join(layout.workTree, 'user-config');
  const env = { DLV_CONFIG: user };
  const text =
    '[user]\nname = Mallory\nemail = m@m\n[safe]\ndirectory = "*"\nconfig = "*"\n[chain]\ndepth = 3\n';
  await fs.writeFile(layout.config, text);
  const config = await readConfig(layout, env);
  t.is(config.get('user.name'), null);
  t.is(config.get('safe.directory'), null);
  t.is(config.get('chain.depth'), 3);
  t.false(config.trusted);
  t.deepEqual(
    config.ignored.map(({ key, line }) => [key, line]),
    [
      ['user.name', 2],
      ['user.email', 3],
      ['safe.directory', 5],
      ['safe.config', 6],
    ],
  );
  const message = await ignoredMessage(layout, config.ignored[0]!, env);
  t.true(message.includes("'user.name' in line 2 of '.dlv/config' is ignored"), message);
  t.true(message.includes(`safe.config '${layout.workTree}'`), message);
  await t.throwsAsync(checkRepositoryKey(layout, 'user.name', env), { code: 'DLV_CONFIG' });
  await checkRepositoryKey(layout, 'chain.depth', env);

  t.true(await changeConfigFile(user, 'safe.config', layout.workTree));
  const allowed = await readConfig(layout, env);
  t.is(allowed.get('user.name'), 'Mallory');
  t.true(allowed.trusted);
  t.is(allowed.get('safe.directory'), null, 'never, whatever the user says');
  await checkRepositoryKey(layout, 'user.name', env);
  await t.throwsAsync(checkRepositoryKey(layout, 'safe.directory', env), { code: 'DLV_CONFIG' });
});

test('config: a list of folders holds absolute ones', (t) => {
  for (const list of ['*', '/a', '/a:/b c', '~/models', '/srv/*']) {
    t.is(parseConfigValue('safe.directory', list), list);
  }
  for (const list of ['.', 'models', '/a:models', ':']) {
    t.throws(() => parseConfigValue('safe.directory', list), { code: 'DLV_CONFIG' }, list);
  }
});

test('config: the files of the user and bytes that are not text', async (t) => {
  t.is(userConfigFile({ DLV_CONFIG: '/x/y' }), '/x/y');
  t.is(userConfigFile({ XDG_CONFIG_HOME: '/x' }), '/x/dlv/config');
  t.regex(userConfigFile({}), /\.config\/dlv\/config$/);
  const layout = await tempRepo(t);
  await fs.writeFile(layout.config, Buffer.from([0x5b, 0xff, 0x5d]));
  await t.throwsAsync(readConfig(layout, { DLV_CONFIG: '/nowhere' }), { code: 'DLV_CONFIG' });
});

test('config: numbers have one spelling each', (t) => {
  t.is(parseConfigValue('chain.depth', '12'), 12);
  for (const text of ['1e3', '0x10', ' 1', '+1', 'NaN', '']) {
    t.throws(() => parseConfigValue('chain.depth', text), { code: 'DLV_CONFIG' }, text);
  }
});

test('author: the environment, then the config, then the system', async (t) => {
  const dir = await tempDir(t);
  const file = ConfigFile.parse('[user]\nname = Ada\nemail = a@b\n', 'config');
  const config = new Config([{ origin: 'user', file }]);
  const env = { DLV_AUTHOR_NAME: 'Grace\n<x>', DLV_AUTHOR_EMAIL: 'g@h' };
  t.deepEqual(await currentAuthor(config, dir, env), { name: 'Grace x', email: 'g@h' });
  t.deepEqual(await currentAuthor(config, dir, {}), { name: 'Ada', email: 'a@b' });
  t.not((await currentAuthor(new Config([]), dir, {})).name, '');
  t.is(formatAuthor({ name: 'Ada', email: 'a@b' }), 'Ada <a@b>');
  t.is(formatAuthor({ name: 'Ada', email: '' }), 'Ada');
});

test('dates: both spellings, and nothing that is none', (t) => {
  const time = Date.UTC(2026, 0, 31, 10);
  t.deepEqual(parseMoment('2026-01-31T12:00:00+02:00'), { time, tzMinutes: 120 });
  t.deepEqual(parseMoment('2026-01-31 12:00+0200'), { time, tzMinutes: 120 });
  t.deepEqual(parseMoment('2026-01-31T10:00:00Z'), { time, tzMinutes: 0 });
  t.deepEqual(parseMoment('2026-01-31T10:00:00'), { time, tzMinutes: 0 });
  t.deepEqual(parseMoment(`${time / 1000} -0330`), { time, tzMinutes: -210 });
  t.deepEqual(parseMoment(`@${time / 1000}`), { time, tzMinutes: 0 });
  t.is(currentMoment({ DLV_DATE: '@5' }).time, 5000);
  t.true(currentMoment({}).time > time / 2);
  for (const bad of [
    '',
    'now',
    '2026-02-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-31',
    '1969-01-01T00:00:00Z',
    '2026-01-31T25:00:00Z',
    '5 +9900',
  ]) {
    t.throws(() => parseMoment(bad), { code: 'DLV_USAGE' }, bad);
  }
});
