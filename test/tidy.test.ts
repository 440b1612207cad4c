/**
 * The project as a whole: direction of imports, lengths, words, links, the error page.
 *
 * The rules are pure functions in helpers/tidy/; the first half of this file applies them to the
 * project, the second shows that each finds a planted fault.
 */
import fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import glob from 'fast-glob';
import * as errors from '../lib/base/errors.js';
import { IgnorePatterns } from '../lib/pure/paths/ignore-patterns.js';
import { PROJECT_ROOT } from './helpers/paths.js';
import { checkBudgets } from './helpers/tidy/budgets.js';
import { type ErrorRow, parseErrorPage } from './helpers/tidy/error-page.js';
import { checkFileAccess, FILE_ACCESS } from './helpers/tidy/file-access.js';
import {
  checkImports,
  checkOp,
  checkTable,
  checkUnused,
  findCircles,
  LAYERS,
  parseImports,
  parseImportTable,
  roomOf,
} from './helpers/tidy/imports.js';
import { checkComments, checkLinks, checkMentions, headingAnchors } from './helpers/tidy/links.js';
import { checkPaths } from './helpers/tidy/paths.js';
import { checkHops, checkPicture, parseHops, parsePictures } from './helpers/tidy/pictures.js';
import { checkRecords } from './helpers/tidy/records.js';
import { checkNamedFiles, checkRoom, roomFolders } from './helpers/tidy/rooms.js';
import { checkSlowFiles } from './helpers/tidy/slow-files.js';
import {
  checkFolders,
  checkLockfile,
  checkText,
  checkWidth,
  FILE_BYTES_MAX,
} from './helpers/tidy/text.js';

const TEXT = /\.(tsx?|mjs|js|json|md|c|h|cc|py|sh|yml|yaml)$|^\.ci\/|^(LICENSE|\.gitignore)$/;

function read(file: string): string {
  return fs.readFileSync(path.join(PROJECT_ROOT, file), 'utf8');
}

function listProject(): string[] {
  const ignored = new IgnorePatterns(read('.gitignore'));
  const files = glob.sync('**', {
    cwd: PROJECT_ROOT,
    dot: true,
    ignore: ['node_modules', 'dist', '.git', '**/.dlv'],
  });
  const isIgnored = (file: string): boolean => {
    const parts = file.split('/');
    return parts.some((_, i) => {
      return ignored.decide(parts.slice(0, i + 1).join('/'), i + 1 < parts.length) === true;
    });
  };
  return files.filter((file) => !isIgnored(file)).sort();
}

const files = listProject();
const texts = files.filter((file) => TEXT.test(file) && file !== 'package-lock.json');
const sources = files.filter((file) => /^(lib|bin)\/.*\.tsx?$/.test(file));

function lookup(file: string): string | undefined {
  const full = path.join(PROJECT_ROOT, file);
  const stat = fs.statSync(full, { throwIfNoEntry: false });
  return stat?.isFile() ? fs.readFileSync(full, 'utf8') : stat && '';
}

test('imports: every room keeps to the table of ARCHITECTURE.md', (t) => {
  const table = parseImportTable(read('ARCHITECTURE.md'));
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: object };
  const installed = Object.keys(dependencies);
  // These are in the bundle of the page, and no user installs them.
  const packages = (file: string): string[] =>
    file.startsWith('lib/ui/') ? ['preact', 'uplot', '#enhance'] : installed;
  t.deepEqual(checkTable(table, new Set(sources.map((file) => roomOf(file)!))), []);
  t.deepEqual(
    sources.flatMap((file) => checkImports(file, read(file), table, packages(file))),
    [],
  );
  t.deepEqual(checkUnused(table, new Map(sources.map((file) => [file, read(file)]))), []);
});

test('rooms: each has a README of one form, and the files that it names exist', (t) => {
  const folders = roomFolders(sources);
  t.true(folders.includes('lib/base/bytes') && folders.includes('lib/cli'));
  t.deepEqual(
    folders.flatMap((folder) => checkRoom(folder, lookup(`${folder}/README.md`), lookup)),
    [],
  );
});

test('rooms: the files and functions that ARCHITECTURE.md names exist', (t) => {
  const roots = [
    '',
    'lib',
    ...LAYERS.map((layer) => `lib/${layer}`),
    'lib/pure/formats',
    'lib/cli',
  ];
  t.deepEqual(checkNamedFiles('ARCHITECTURE.md', read('ARCHITECTURE.md'), roots, lookup), []);
});

test('pictures: the sequences and hops of ARCHITECTURE.md are those of the code', (t) => {
  const page = read('ARCHITECTURE.md');
  const table = parseImportTable(page);
  const code = new Map(sources.map((file) => [file, read(file)]));
  const pictures = parsePictures(page);
  t.is(pictures.length, 3, 'commit, checkout and archive');
  t.deepEqual(
    pictures.flatMap((lines) => checkPicture(lines, table, code)),
    [],
  );
  const hops = parseHops(page);
  t.is(hops.length, 1, 'checkout');
  t.deepEqual(
    hops.flatMap((list) => checkHops(list, code)),
    [],
  );
});

test('records: only objects reads records of the store', (t) => {
  t.deepEqual(
    sources.flatMap((file) => checkRecords(file, read(file))),
    [],
  );
});

test('ops: no op imports another', (t) => {
  t.deepEqual(
    sources.flatMap((file) => checkOp(file, read(file))),
    [],
  );
});

test('file access: nothing but the gate calls the file system', (t) => {
  t.deepEqual(
    sources.flatMap((file) => checkFileAccess(file, read(file))),
    [],
  );
  t.deepEqual(
    [...FILE_ACCESS.keys()].filter((file) => !sources.includes(file)),
    [],
  );
  for (const specifier of ['node:fs', 'fs', 'node:fs/promises', 'fs/promises']) {
    t.is(checkFileAccess('lib/use/ops/x.ts', `import fs from '${specifier}';\n`).length, 1);
    t.is(checkFileAccess('lib/use/ops/x.ts', `const f = await import('${specifier}');`).length, 1);
  }
  t.deepEqual(checkFileAccess('lib/use/ops/x.ts', "import path from 'node:path';\n"), []);
});

test('imports: no file leads back to itself, inside a room either', (t) => {
  t.deepEqual(findCircles(new Map(sources.map((file) => [file, read(file)]))), []);
});

test('imports: circles of files are found, those of types too', (t) => {
  const circle = new Map([
    ['lib/a.ts', "import { b } from './deep/b.js';\n"],
    ['lib/deep/b.ts', "import type { C } from '../c.js';\n"],
    ['lib/c.ts', "export { a } from './a.js';\nimport './d.js';\n"],
    ['lib/d.ts', "import { b } from './other.js';\n"],
  ]);
  t.deepEqual(
    findCircles(circle).map((problem) => problem.split(':')[0]),
    ['lib/a.ts', 'lib/deep/b.ts', 'lib/c.ts'],
  );
  t.is(findCircles(new Map([['lib/a.ts', "import './a.js';\n"]])).length, 1);
  circle.delete('lib/c.ts');
  t.deepEqual(findCircles(circle), []);
});

test('text: no file is too long and none holds a banned word', (t) => {
  const checked = texts.filter((file) => !file.startsWith('test/fixtures/'));
  t.true(checked.length > 20, 'the project was found');
  t.deepEqual(
    checked.flatMap((file) => checkText(file, read(file))),
    [],
  );
  t.deepEqual(checkFolders(files), []);
  t.deepEqual(checkWidth(files), []);
});

test('slow tests: .ci/run names every file of them', (t) => {
  t.deepEqual(checkSlowFiles(listProject(), read('.ci/run')), []);
  const script = 'run --slow test/a/{b,c}.slow.test.ts test/d \\';
  t.deepEqual(checkSlowFiles(['test/a/c.slow.test.ts', 'test/d/e.slow.test.ts'], script), []);
  t.is(checkSlowFiles(['test/a/d.slow.test.ts', 'test/b.test.ts'], script).length, 1);
});

test('size: no file of the project is over 2 MB', (t) => {
  const large = files.filter((file) => {
    return fs.statSync(path.join(PROJECT_ROOT, file)).size > FILE_BYTES_MAX;
  });
  t.deepEqual(large, []);
});

test('lock file: names no download address', (t) => {
  t.deepEqual(checkLockfile(read('package-lock.json')), []);
});

test('links: every relative link and every file named anywhere exists', (t) => {
  const pages = files.filter((file) => file.endsWith('.md'));
  const planted = /^test\/(tidy\.test|run\.ts|helpers\/tidy\/)/;
  const checked = texts.filter((file) => !planted.test(file));
  t.deepEqual(
    pages.flatMap((file) => checkLinks(file, read(file), lookup)),
    [],
  );
  t.deepEqual(
    checked.flatMap((file) => checkMentions(file, read(file), lookup)),
    [],
  );
  t.deepEqual(
    checked
      .filter((file) => /\.(tsx?|c|h|cc)$/.test(file))
      .flatMap((file) => checkComments(file, read(file), files)),
    [],
  );
});

test('errors: docs/errors.md has the codes, classes and exit codes of the table', (t) => {
  const classes = new Map<string, string>();
  for (const value of Object.values(errors)) {
    if (typeof value !== 'function' || !(value.prototype instanceof errors.DlvError)) continue;
    const Class = value as unknown as new (message: string) => errors.DlvError;
    classes.set(new Class('a message').code, Class.name);
  }
  const rows: ErrorRow[] = Object.entries(errors.ERROR_TABLE).map(([code, exit]) => {
    return { code, class: classes.get(code)!, exit };
  });
  t.deepEqual(parseErrorPage(read('docs/errors.md')), rows);
});

test('paths: only layout.ts builds paths under .dlv', (t) => {
  t.deepEqual(
    sources.flatMap((file) => checkPaths(file, read(file))),
    [],
  );
});

test('paths: folders joined by hand and names that begin with one are found', (t) => {
  for (const line of [
    "const a = path.join(this.#repo.layout.packs, 'x');",
    'const b = nodePath.join(\n  layout.dir, name);',
    `const c = \`tmp/${'$'}{pid}\`;`,
    "await backend.rename(name, 'trash/' + name);",
  ]) {
    t.is(checkPaths('lib/storage/upkeep/gc.ts', line).length, 1, line);
  }
  for (const line of [
    "// 'packs/x'",
    'path.join(layout.workTree, name)',
    'path.join(layout.log(name), x)',
    "const d = 'tmp';",
  ]) {
    t.deepEqual(checkPaths('lib/storage/upkeep/gc.ts', line), []);
  }
  t.deepEqual(checkPaths('lib/storage/repo/layout.ts', "'tmp/x'"), []);
});

test('budgets: ARCHITECTURE.md lists every memory budget of limits.ts with its size', (t) => {
  t.deepEqual(checkBudgets(read('lib/base/limits.ts'), read('ARCHITECTURE.md')), []);
});

test('budgets: one that is not in the table, of another size or gone is found', (t) => {
  const limits = `// --- memory budgets
export const A_BYTES = 64 * 1024 * 1024;
export const B_ITEMS = 7;
`;
  const page = (...rows: string[]): string =>
    [
      '<!-- budgets -->',
      '| budget | at most |',
      '| --- | --- |',
      ...rows,
      '<!-- /budgets -->',
    ].join('\n');
  const [a, b] = ['| `A_BYTES` | 64 MiB |', '| `B_ITEMS` | 7 |'];
  t.deepEqual(checkBudgets(limits, page(a, b)), []);
  t.is(checkBudgets(limits, page(a)).length, 1);
  t.is(checkBudgets(limits, page(a, '| `B_ITEMS` | 8 |')).length, 1);
  t.is(checkBudgets(limits, page(a, b, '| `C_ITEMS` | 1 |')).length, 1);
});

test('imports: every form of import is seen, examples in comments are not', (t) => {
  const source = `
import fs from 'node:fs';
import {
  a,
  type B,
} from '../store/pack.js';
import './side-effect.js';
export * from './star.js';
export type { C } from "./c.js";
/**
 * import x from './comment.js';
 */
// import y from './line.js';
const later = await import('./later.js');
export const text = 'from nowhere';
`;
  t.deepEqual(parseImports(source).sort(), [
    '../store/pack.js',
    './c.js',
    './later.js',
    './side-effect.js',
    './star.js',
    'node:fs',
  ]);
});

const TABLE = parseImportTable(`
<!-- imports -->
| room | owns | may import |
| --- | --- | --- |
| bytes | bytes | – |
| store | packs | bytes |
| errors limits | all | – |
<!-- /imports -->
`);

test('imports: a planted import against the direction is found', (t) => {
  const good =
    "import { a } from '../../base/bytes/a.js';\nimport { E } from '../../base/errors.js';\n";
  const bad = "import { s } from '../../storage/store/s.js';\n";
  t.deepEqual(checkImports('lib/storage/store/s.ts', good, TABLE, []), []);
  t.deepEqual(checkImports('lib/base/bytes/a.ts', bad, TABLE, []), [
    'lib/base/bytes/a.ts: bytes may not import store',
  ]);
  t.is(
    checkImports('lib/base/bytes/deep/a.ts', "import '../../../storage/store/s.js';", TABLE, [])
      .length,
    1,
  );
  t.is(
    checkImports('lib/base/bytes/a.ts', "export * from '../../../test/x.js';", TABLE, []).length,
    1,
  );
});

test('ops: a planted import of another op is found', (t) => {
  const source = "import { add } from './add.js';\nimport { w } from './with-repository.js';\n";
  t.deepEqual(checkOp('lib/use/ops/commit.ts', source), [
    "lib/use/ops/commit.ts: an op imports the op './add.js'",
  ]);
  t.deepEqual(checkOp('lib/use/history/commit.ts', source), []);
});

test('imports: a package that is not a dependency is found', (t) => {
  const source = "import { x } from '@scope/name/deep';\nimport y from 'left';\n";
  t.deepEqual(checkImports('lib/base/bytes/a.ts', source, TABLE, ['left']), [
    "lib/base/bytes/a.ts: '@scope/name' is not a dependency",
  ]);
});

test('imports: a room without a row, a row without a room and a circle are found', (t) => {
  const rooms = new Set(['bytes', 'store', 'errors', 'limits']);
  t.deepEqual(checkTable(TABLE, rooms), []);
  t.is(checkTable(TABLE, new Set([...rooms, 'extra'])).length, 1);
  t.is(checkTable(TABLE, new Set(['bytes', 'errors', 'limits'])).length, 1);
  const circle = new Map([
    ['bytes', new Set(['store'])],
    ['store', new Set(['bytes'])],
  ]);
  t.is(checkTable(circle, new Set(['bytes', 'store'])).length, 2);
});

test('imports: what the table allows and nothing uses is found', (t) => {
  const use = "import { a } from '../../base/bytes/a.js';\n";
  t.deepEqual(checkUnused(TABLE, new Map([['lib/storage/store/s.ts', use]])), []);
  t.is(checkUnused(TABLE, new Map([['lib/storage/store/s.ts', '']])).length, 1);
});

test('text: planted marks, paths, hosts, lengths and folders are found', (t) => {
  const planted = [
    `// TO${''}DO later`,
    `test.sk${''}ip('x')`,
    `const a = '/wo${''}rk/main';`,
    `fetch('https://registry.npm${''}js.org')`,
  ];
  for (const line of planted) t.is(checkText('lib/a.ts', `${line}\n`).length, 1, line);
  t.deepEqual(checkText('lib/a.ts', 'a\n'.repeat(500)), []);
  t.is(checkText('lib/a.ts', 'a\n'.repeat(501)).length, 1);
  t.is(
    checkFolders(['lib/storage/store/utils/a.ts', 'lib/common.ts', 'lib/storage/store/pack.ts'])
      .length,
    2,
  );
  const many = (folder: string) => Array.from({ length: 17 }, (_, i) => `${folder}/${i}.ts`);
  t.is(checkWidth([...many('lib/base/bytes'), ...many('lib/use/ops')]).length, 1);
  t.deepEqual(checkWidth(many('lib/base/bytes').slice(1)), []);
  t.is(checkLockfile('{"resolved": "https://example.org/a.tgz"}').length, 1);
});

test('rooms: a missing README, a missing part, a long one and dead names are found', (t) => {
  const find = (file: string) => (file === 'lib/a/x.ts' ? 'export function go() {}' : undefined);
  const parts = ['Owns', 'Refuses', 'Start', 'Invariants', 'Bytes'].map((part) => `**${part}** a`);
  const check = (...lines: string[]) => checkRoom('lib/a', lines.join('\n'), find).length;
  t.is(checkRoom('lib/a', undefined, find).length, 1);
  t.is(check(...parts, '`x.ts: go`'), 0);
  t.is(check(...parts, '`x.ts: gone`'), 1);
  t.is(check(...parts, '`y.ts`'), 1);
  t.is(check(...parts, '`z/`'), 1);
  t.is(check(...parts.slice(1), 'a'), 1);
  t.is(check(...parts.toReversed()), 4);
  t.is(check(...parts, ...Array<string>(8).fill('a')), 1);
  t.deepEqual(roomFolders(['lib/cli/a.ts', 'lib/base/b.ts', 'lib/pure/c/d/e.ts', 'test/x/y.ts']), [
    'lib/cli',
    'lib/pure/c',
  ]);
});

test('pictures: too many boxes, a wrong call and a broken hop are found', (t) => {
  const table = new Map([
    ['ops', new Set(['repo'])],
    ['repo', new Set<string>()],
  ]);
  const code = new Map([
    ['lib/use/ops/a.ts', "import { save } from '../../storage/repo/b.js';\nsave(1);\n"],
    ['lib/storage/repo/b.ts', 'export function save() {}\nexport function other() {}\n'],
  ]);
  const check = (...lines: string[]) =>
    checkPicture(['participant ops', 'participant repo', ...lines], table, code).length;
  t.is(check('ops->>repo: save'), 0);
  t.is(check('ops->>repo: other'), 1);
  t.is(check('ops->>repo: load'), 2);
  t.is(check('repo->>ops: save'), 3);
  t.is(check(...[1, 2, 3, 4, 5, 6].map((box) => `participant x${box}`)), 1);
  const hops = parseHops('<!-- hops -->\n1. `a.ts: go`\n2. `repo/b.ts: save`\n<!-- /hops -->');
  t.deepEqual(checkHops(hops[0]!, code), []);
  t.is(checkHops([...hops[0]!].reverse(), code).length, 1);
  t.is(checkHops(Array(7).fill(hops[0]![0]), new Map()).length, 7);
});

test('records: a read from another room is found', (t) => {
  const source =
    "import { readBlobAt } from '../store/packs/read-records.js';\nrepo.store.readBlob(id);";
  t.is(checkRecords('lib/storage/upkeep/gc.ts', source).length, 2);
  t.deepEqual(checkRecords('lib/storage/objects/session.ts', source), []);
});

test('links: a planted dead link, dead anchor and dead mention are found', (t) => {
  const pages = new Map([['docs/a.md', '# One thing\n## Two, `things`\n']]);
  const find = (file: string) => pages.get(file);
  const good = '[a](docs/a.md#one-thing) [b](https://example.org/x) `[c](none.md)`\n';
  t.deepEqual(checkLinks('README.md', good, find), []);
  t.is(checkLinks('README.md', '[a](docs/b.md)', find).length, 1);
  t.is(checkLinks('docs/a.md', '[a](a.md#three)', find).length, 1);
  t.is(checkMentions('lib/a.ts', '/** @see docs/none.md */', find).length, 1);
  t.is(checkMentions('docs/a.md', 'as lib/none.ts does', find).length, 1);
  const comment = (text: string) => checkComments('lib/a.ts', text, ['lib/deep/b.ts']).length;
  t.is(comment(' * see b.ts and deep/b.ts'), 0);
  t.is(comment("const name = 'gone.ts';"), 0);
  t.is(comment(' * see gone.ts'), 1);
  t.is(comment('let a = 1; // as in shallow/b.ts'), 1);
  t.deepEqual([...headingAnchors(pages.get('docs/a.md')!)], ['one-thing', 'two-things']);
});

test('errors: a section without its class line is refused', (t) => {
  t.throws(() => parseErrorPage('# Errors\n\n## DLV_USAGE\n\nText.\n'));
});
