/**
 * Makes the parser of DQL of its grammar: lib/pure/dql/grammar.peggy → dist/lib/pure/dql/grammar.js.
 * Runs before tsc, which knows it by lib/pure/dql/grammar.d.ts.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../lib/pure/dql/grammar.peggy', import.meta.url));
const TARGET = fileURLToPath(new URL('../dist/lib/pure/dql/grammar.js', import.meta.url));

const timeOf = (file) =>
  stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );

if ((await timeOf(TARGET)) < (await timeOf(SOURCE))) {
  const { default: peggy } = await import('peggy');
  const grammar = await readFile(SOURCE, 'utf8');
  // With a cache every rule is tried once at a place: time and memory grow with the text alone.
  const code = peggy.generate(grammar, {
    cache: true,
    output: 'source',
    format: 'es',
    grammarSource: 'grammar.peggy',
  });
  await mkdir(fileURLToPath(new URL('.', `file://${TARGET}`)), { recursive: true });
  await writeFile(TARGET, code);
}
