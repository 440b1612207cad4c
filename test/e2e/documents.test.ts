/**
 * The JSON documents: what each command prints has the members and types of its documented example,
 * and docs/cli.md says what the commands say.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { declaredCommands, renderDocs } from '../../lib/cli/docs.js';
import { withWarnings } from '../../lib/cli/run.js';
import { LINES } from '../helpers/command-lines.js';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { threeVersions } from '../helpers/repository.js';

/** Members whose keys are data: only the types of their values are compared. */
const MAPS = new Set(
  'metrics metricSteps params environment data opsets uncounted sizes values'.split(' '),
);

/**
 * How `actual` differs from `example` in shape. null fits anything, since an example cannot show both;
 * elements of lists are compared with the first of the example.
 */
function differences(example: unknown, actual: unknown, at: string): string[] {
  if (example === null || actual === null) return [];
  if (Array.isArray(example) || Array.isArray(actual)) {
    if (!Array.isArray(example) || !Array.isArray(actual)) return [`${at}: one is not a list`];
    if (example.length === 0) return [];
    return actual.flatMap((item, i) => differences(example[0], item, `${at}[${i}]`));
  }
  if (typeof example !== typeof actual) return [`${at}: ${typeof actual}, not ${typeof example}`];
  if (typeof example !== 'object') return [];
  const a = example as Record<string, unknown>;
  const b = actual as Record<string, unknown>;
  const found: string[] = [];
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (!(key in a)) found.push(`${at}.${key} is not documented`);
    else if (!(key in b)) found.push(`${at}.${key} is missing`);
    else if (!MAPS.has(key)) found.push(...differences(a[key], b[key], `${at}.${key}`));
  }
  return found;
}

test('differences: are found', (t) => {
  t.deepEqual(differences({ a: 1, b: [{ c: '' }] }, { a: 2, b: [{ c: 'x' }, { c: '' }] }, ''), []);
  t.is(differences({ a: 1 }, { a: '1' }, '').length, 1);
  t.is(differences({ a: 1 }, { b: 1 }, '').length, 2);
  t.is(differences([{ a: 1 }], [{ a: 1 }, {}], '').length, 1);
});

test('documents: every command documents one and is tried', async (t) => {
  const declared = await declaredCommands();
  t.deepEqual(
    declared.filter(({ help }) => help.json === undefined).map(({ name }) => name),
    [],
  );
  for (const { name } of declared) t.truthy(LINES[name], `no line for ${name}`);
});

/** Warnings of a document, but for what bench cannot do where the test's files are in memory. */
function warningsOf(document: unknown): string[] {
  const { warnings } = document as { warnings: string[] };
  return warnings.filter((warning) => !warning.startsWith('cold reads were not measured'));
}

for (const [name, line] of Object.entries(LINES)) {
  test(`documents: ${name} prints what it documents`, async (t) => {
    if (line.isOptional === true) {
      t.log(
        `SKIPPED: the document of ${name} is NOT tested, a package that it needs is not installed`,
      );
      t.pass();
      return;
    }
    const declared = await declaredCommands();
    const { repo } = await threeVersions(t);
    await line.prepare?.(repo);
    const document = await repo.json<unknown>(...line.args);
    const example = declared.find((command) => command.name === name)?.help.json as object;
    t.deepEqual(differences(withWarnings(example, []), document, name), []);
    if (Array.isArray(document)) t.true(document.length > 0);
    else t.is(warningsOf(document).length, line.warnings ?? 0);
  });
}

test('documents: what a command warns of is in its document, and on stderr', async (t) => {
  const { repo } = await threeVersions(t);
  const map = { weight_map: { a: 'part-1.safetensors' } };
  await repo.write('big.safetensors.index.json', JSON.stringify(map));
  await fs.symlink('note.txt', repo.file('link.txt'));
  const warned: [string[], ...RegExp[]][] = [
    [['status'], /link\.txt/],
    [['add', '.'], /link\.txt/, /part-1\.safetensors/],
    [['commit', '-m', 'an index without its part'], /part-1\.safetensors/],
  ];
  for (const [args, ...about] of warned) {
    const { stdout, stderr } = await repo.dlv('--json', '--no-progress', ...args);
    const { warnings } = JSON.parse(stdout) as { warnings: string[] };
    t.is(warnings.length, about.length, args.join(' '));
    for (const [i, warning] of warnings.entries()) t.regex(warning, about[i] as RegExp);
    const lines = stderr.trimEnd().split('\n');
    t.deepEqual(
      lines.map((text) => JSON.parse(text) as unknown),
      warnings.map((warning) => ({ warning })),
    );
  }
});

test('docs/cli.md says what the commands say', async (t) => {
  const file = path.join(PROJECT_ROOT, 'docs', 'cli.md');
  if (process.env.UPDATE_GOLDEN === '1') await fs.writeFile(file, await renderDocs());
  t.is(await fs.readFile(file, 'utf8'), await renderDocs());
});
