/** With --json, warnings are lines of JSON on stderr, and members of documents that are objects. */
import fs from 'node:fs/promises';
import test from 'ava';
import { threeVersions } from '../helpers/repository.js';
import { runInside } from '../trust/cli.js';

test('warnings: every command has them in one form, lists and errors too', async (t) => {
  const { repo } = await threeVersions(t);
  await runInside(['tag', 'v1'], repo.dir);
  // A setting that a repository may not set for itself: whoever reads settings warns of it.
  await fs.appendFile(repo.file('.dlv/config'), '\n[user]\n  name = Eve\u202e\n');
  const lists = [['log'], ['list'], ['branch'], ['tag'], ['config', '--list']];
  const objects = [['status'], ['show'], ['diff', 'HEAD~1'], ['du'], ['show', 'nothing']];
  for (const argv of [...lists, ...objects]) {
    const { code, stdout, stderr } = await runInside(['--json', '-q', ...argv], repo.dir);
    t.is(code, argv[1] === 'nothing' ? 1 : 0, argv.join(' '));
    const said = stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => (JSON.parse(line) as { warning: string }).warning);
    t.true(said.length > 0, argv.join(' '));
    t.regex(said[0] as string, /'user\.name' in line \d+ of '.*' is ignored/);
    const document = JSON.parse(stdout);
    t.is(Array.isArray(document), lists.includes(argv), argv.join(' '));
    if (!Array.isArray(document)) t.deepEqual(document.warnings, said, argv.join(' '));
  }
  // For people it stays a sentence.
  const { stderr } = await runInside(['log'], repo.dir);
  t.regex(stderr, /^warning: 'user\.name'/m);
  t.notRegex(stderr, /^\{/m);
});
