/** The counts of docs/trust.md are those of the lists that the searches go through. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { hostileFiles } from '../helpers/hostile-files.js';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { COMMANDS, HOSTILE } from './hostile-repositories.js';
import { VERBS } from './verbs.js';

test('docs/trust.md: counts of commands, repositories and files are true', async (t) => {
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs', 'trust.md'), 'utf8');
  const text = page.replaceAll(/\s+/g, ' ');
  const [repositories, commands] = [HOSTILE.length, COMMANDS.length];
  const pairs = (repositories * commands).toLocaleString('en');
  for (const sentence of [
    `Of the ${VERBS.length} commands, from`,
    `There are ${repositories}, and ${commands} commands for each: ${pairs} pairs.`,
    `There are ${Object.keys(hostileFiles()).length} kinds of files that expand`,
  ]) {
    t.true(text.includes(sentence), `docs/trust.md does not say '${sentence}'`);
  }
});
