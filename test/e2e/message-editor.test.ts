/**
 * A message that no flag gives is written in an editor where there is a terminal. The editors of these tests are
 * shell scripts.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { asComment, editorOf, withoutComments } from '../../lib/cli/editor.js';
import { DLV_BIN } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { atTerminal, hasTerminal } from '../helpers/terminal.js';

/** A test that needs a terminal. */
function inTerminal(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    if (hasTerminal) await body(t);
    else t.pass();
  });
}

/** A repository with a staged file, and a folder of editors beside it. */
async function staged(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('notes.txt', 'one\n');
  await repo.json('add', 'notes.txt');
  return repo;
}

/** Makes an editor. @param body  shell, to which $1 is the file. @returns the command that starts it. */
async function editor(repo: TestRepository, name: string, body: string): Promise<string> {
  const file = path.join(path.dirname(repo.dir), name);
  await fs.writeFile(file, `set -e\n${body}\n`);
  return `sh ${file}`;
}

const messageOf = async (repo: TestRepository): Promise<string> =>
  (await repo.json<{ message: string }[]>('log', '-n', '1'))[0]?.message ?? '';

inTerminal('commit: the editor is shown what changes, and its text is the message', async (t) => {
  const repo = await staged(t);
  const seen = path.join(path.dirname(repo.dir), 'seen');
  const EDITOR = await editor(
    repo,
    'writes',
    `cp "$1" '${seen}'\nprintf 'the first  \\n\\n\\n\\n# not this\\nof many\\n\\n' > "$1"`,
  );
  const { code, shown } = await atTerminal(repo.dir, ['commit'], { EDITOR });
  t.is(code, 0, shown);
  t.regex(shown, /\[net\/main [0-9a-f]{10}\] the first/);
  t.is(await messageOf(repo), 'the first\n\nof many');
  const start = await fs.readFile(seen, 'utf8');
  t.regex(start, /^\n# Write the message above/);
  t.regex(start, /^# 1 change to net\/main:\n# {3}added +notes\.txt$/m);
  // Nothing of it stays.
  t.deepEqual((await fs.readdir(repo.dir)).sort(), ['.dlv', 'notes.txt']);
});

inTerminal('commit: no text, a failing editor and nothing to commit make no version', async (t) => {
  const repo = await staged(t);
  const same = await atTerminal(repo.dir, ['commit'], { EDITOR: 'true' });
  t.is(same.code, 2);
  t.regex(same.shown, /the message is empty: nothing was done/);
  const fails = await atTerminal(repo.dir, ['commit'], { EDITOR: 'false' });
  t.is(fails.code, 2);
  t.regex(fails.shown, /the editor 'false' ended with 1: nothing was done/);
  const missing = await atTerminal(repo.dir, ['commit'], { EDITOR: 'no-such-editor' });
  t.regex(missing.shown, /the editor 'no-such-editor' was not found/);
  t.deepEqual((await fs.readdir(repo.dir)).sort(), ['.dlv', 'notes.txt']);
  await repo.json('commit', '-m', 'first');
  // Said before anybody writes a text for it.
  const marks = await editor(repo, 'marks', `touch '${repo.file('opened')}'`);
  const nothing = await atTerminal(repo.dir, ['commit'], { EDITOR: marks });
  t.is(nothing.code, 1, nothing.shown);
  t.false(await repo.exists('opened'));
});

inTerminal('commit: a text is not lost if no version can be made of it', async (t) => {
  const repo = await staged(t);
  // While it is written, another command makes the version.
  const EDITOR = await editor(
    repo,
    'overtaken',
    `printf 'mine\\n' > "$1"\n'${process.execPath}' '${DLV_BIN}' commit -m theirs > /dev/null`,
  );
  const { code, shown } = await atTerminal(repo.dir, ['commit'], { EDITOR });
  t.is(code, 1, shown);
  const file = /your message is in '([^']+)'/.exec(shown)?.[1] ?? '';
  t.is(await fs.readFile(file, 'utf8'), 'mine\n');
  t.is(await messageOf(repo), 'theirs');
});

inTerminal('tag -a: the editor writes the text of a tag', async (t) => {
  const repo = await staged(t);
  await repo.json('commit', '-m', 'first');
  const EDITOR = await editor(repo, 'writes', `printf 'as published\\n' > "$1"`);
  const { code, shown } = await atTerminal(repo.dir, ['tag', '-a', 'paper'], { EDITOR });
  t.is(code, 0, shown);
  const [tag] = await repo.json<{ note: { message: string } }[]>('tag');
  t.is(tag?.note.message, 'as published');
});

test('commit without a terminal: the hint says how the message is given', async (t) => {
  const repo = await staged(t);
  const error = await repo.fails(2, 'commit');
  t.regex(error.message, /no message is given/);
  t.regex(error.data.hint ?? '', /-m <text> or -F <file>/);
});

test('editorOf: the order of git', (t) => {
  const TERM = 'xterm';
  const env = { TERM, VISUAL: 'code --wait', EDITOR: 'nano' };
  t.is(editorOf(env, 'hx'), 'hx');
  t.is(editorOf(env, null), 'code --wait');
  t.is(editorOf({ ...env, VISUAL: '' }, null), 'nano');
  t.is(editorOf({ TERM }, null), 'vi');
  t.is(editorOf({ ...env, TERM: 'dumb' }, null), 'nano');
  t.is(editorOf({ TERM: 'dumb', VISUAL: 'vim' }, null), null);
});

test('withoutComments: the text alone, and nothing of a comment', (t) => {
  t.is(withoutComments(`\n${asComment(['a', '', 'b'])}`), '');
  t.is(withoutComments('\r\na #1  \r\n\r\n\r\n# b\r\nc\r\n'), 'a #1\n\nc');
});
