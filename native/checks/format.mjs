/**
 * Compares the C of native/ and of test/ with what clang-format makes of it (native/.clang-format):
 *
 *     node native/checks/format.mjs            names each file that differs; exit code 1 if there is one
 *     node native/checks/format.mjs --write    writes them
 *
 * clang-format comes as WebAssembly in an npm package: no compiler, no download, the same everywhere.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from '@wasm-fmt/clang-format';

const NATIVE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

function sources() {
  return [NATIVE, path.join(NATIVE, '..', 'test')]
    .flatMap((dir) => fs.readdirSync(dir, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.[ch]$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !path.relative(NATIVE, file).startsWith('build'))
    .sort();
}

/** Line of the first difference, counted from 1. */
function firstDifference(a, b) {
  const lines = b.split('\n');
  return a.split('\n').findIndex((line, i) => line !== lines[i]) + 1;
}

function main(write) {
  const style = fs.readFileSync(path.join(NATIVE, '.clang-format'), 'utf8');
  const files = sources();
  const differing = [];
  for (const file of files) {
    const text = fs.readFileSync(file, 'utf8');
    const formatted = format(text, file, style);
    if (formatted === text) continue;
    const name = path.relative(path.dirname(NATIVE), file);
    differing.push(`${name}:${firstDifference(text, formatted)}`);
    if (write) fs.writeFileSync(file, formatted);
  }
  for (const place of differing) {
    process.stdout.write(write ? `formatted ${place}\n` : `${place}: not formatted\n`);
  }
  if (differing.length > 0 && !write) {
    process.stdout.write("run 'npm run format'\n");
    return 1;
  }
  process.stdout.write(`${files.length} C files are formatted\n`);
  return files.length === 0 ? 1 : 0;
}

process.exitCode = main(process.argv.includes('--write'));
