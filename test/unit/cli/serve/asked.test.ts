/** What pages may ask for: only what reads, and no value ever becomes a flag. */
import test from 'ava';
import { commandLine } from '../../../../lib/cli/serve/asked.js';

const line = (command: string, search: string): string[] =>
  commandLine(command, new URLSearchParams(search)).argv;

test('asked: a request is the command line that it stands for', (t) => {
  t.deepEqual(line('list', 'versions&where=acc%3E0.9&rev=a..b'), [
    ...['list', '--json', '--no-progress', '--no-fetch'],
    ...['--versions', '--where=acc>0.9', 'a..b'],
  ]);
  t.deepEqual(line('diff', 'rev=a&rev=b').slice(-2), ['a', 'b']);
  t.true(line('eval', 'rev=a&data=x').includes('--no-record'));
  t.true(line('archive', 'budget=2').includes('--dry-run'));
  t.deepEqual(line('run/show', 'thin&run=3f9a'), [
    ...['run', 'show', '--json', '--no-progress', '--no-fetch'],
    ...['--thin', '3f9a'],
  ]);
});

test('asked: what writes, runs code or reaches elsewhere is refused', (t) => {
  const refused: [string, string][] = [
    ...['commit', 'gc', 'config', 'push', 'fetch', 'cat', 'init', 'ui', 'batch', 'run'].map(
      (command): [string, string] => [command, ''],
    ),
    ...[
      ['list', 'html=x.html'],
      ['desc', 'html='],
      ['eval', 'module=x.mjs'],
      ['eval', 'record='],
      ['query', 'save=x'],
      ['query', 'named=x'],
      ['query', 'file=/etc/passwd'],
      ['archive', 'yes='],
      ['archive', 'tier=bf16'],
      ['list', 'C=/'],
      ['branch', 'delete=x'],
      ['run/list', 'commit-held=x'],
      ['run/show', 'recover=x'],
      ['run/x', 'run=y'],
      ['run/', ''],
      ['tag', 'rev=x'],
      ['__proto__', ''],
      ['constructor', ''],
      ['list', '__proto__=x'],
    ].map(([command, search]): [string, string] => [command as string, search as string]),
  ];
  for (const [command, search] of refused) {
    const error = t.throws(() => line(command, search), undefined, `${command} ${search}`);
    t.regex(error?.name ?? '', /^(NotFoundError|UsageError)$/);
  }
});

test('asked: an operand is no flag, and a value stays with its own', (t) => {
  for (const rev of ['--html=x', '-C', '', '-']) {
    t.throws(() => commandLine('show', new URLSearchParams({ rev })), { name: 'UsageError' }, rev);
    const run = new URLSearchParams({ run: rev });
    t.throws(() => commandLine('run/log', run), { name: 'UsageError' }, rev);
  }
  t.throws(() => commandLine('query', new URLSearchParams({ q: '  --save=x' })));
  t.true(line('list', 'where=--html').includes('--where=--html'));
  const many = new URLSearchParams(
    Array.from({ length: 100 }, (): [string, string] => ['rev', 'a']),
  );
  t.throws(() => commandLine('diff', many), { message: /at most/ });
});
