/**
 * Puts test files together, so that a process starts and loads what it needs once for many files.
 *
 * Each group of files becomes one bundle of their compiled sources, which ava runs as one test file.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin, stop } from 'esbuild';
import { PROJECT_ROOT } from './paths.js';

const DIST = path.join(PROJECT_ROOT, 'dist');
/** Each run writes its bundles into a folder of its own here. */
const GROUPS_DIR = path.join(DIST, 'groups');
/** More would leave one core idle at the end, and hold more memory at once. */
const FILES_MAX = 32;

/** What ava puts before the title of a test of a group. */
export const GROUP_IN_TITLE = /^\d\d-\S+ › /;

/** `dist/test/unit/pure/x.test.js` → `unit/pure/x`. */
export function nameOfTest(file: string): string {
  return path
    .relative(path.join(DIST, 'test'), path.resolve(PROJECT_ROOT, file))
    .slice(0, -'.test.js'.length);
}

/** Folders whose files take longest start first, so that all cores end at about the same time. */
const LONGEST_FIRST = ['trust', 'slow', 'integration', 'e2e', 'property'];

/** The folder of test/ that a file stands in; '' for test/ itself. */
function folderOf(file: string): string {
  const name = nameOfTest(file);
  return name.slice(0, Math.max(0, name.indexOf('/')));
}

function rankOf(file: string): number {
  const rank = LONGEST_FIRST.indexOf(folderOf(file));
  return rank === -1 ? LONGEST_FIRST.length : rank;
}

/**
 * Files that may share a process. What those of `trust` import changes it: nothing is synced, and the author is
 * another. A search that has long, or its time from a setting, has a process of its own (trust/budget.ts).
 */
function shares(file: string, other: string): boolean {
  const inTrust = folderOf(file) === 'trust';
  if (inTrust !== (folderOf(other) === 'trust')) return false;
  const isAlone = file.endsWith('.slow.test.js') || process.env.DLV_TRUST_SECONDS !== undefined;
  return !inTrust || !isAlone;
}

/** Groups of neighbours, each of at most FILES_MAX; apart, each file is one, in their order. */
function groupFiles(files: readonly string[], apart: boolean): string[][] {
  if (apart) return files.map((file) => [file]);
  const groups: string[][] = [];
  for (const file of files.toSorted((a, b) => rankOf(a) - rankOf(b))) {
    const open = groups.at(-1);
    const fits = open !== undefined && open.length < FILES_MAX && shares(file, open[0] as string);
    if (fits) open.push(file);
    else groups.push([file]);
  }
  return groups;
}

/** Gives each test file a `test` of its own, and each module the URL that it has outside of the bundle. */
const asIfAlone: Plugin = {
  name: 'as-if-alone',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^ava$/ }, ({ importer }) =>
      importer.endsWith('.test.js')
        ? { path: nameOfTest(importer), namespace: 'test-of' }
        : { path: 'ava', external: true },
    );
    onLoad({ filter: /.*/, namespace: 'test-of' }, ({ path: name }) => ({
      contents: `import test from 'ava';
        import { testOf } from './turns.js';
        export default testOf(${JSON.stringify(name)}, test);`,
      resolveDir: path.join(DIST, 'test', 'helpers'),
    }));
    // lib/ is not bundled: what is measured of it (coverage.ts) belongs to its own files.
    onResolve({ filter: /\/lib\// }, ({ path: name, importer }) => {
      const file = path.resolve(path.dirname(importer), name);
      return file.startsWith(path.join(DIST, 'lib'))
        ? { path: pathToFileURL(file).href, external: true }
        : null;
    });
    onLoad({ filter: /\.js$/ }, async ({ path: file }) => {
      if (!file.startsWith(DIST)) return null;
      const source = await fs.readFile(file, 'utf8');
      if (!source.includes('import.meta.url')) return null;
      const url = JSON.stringify(pathToFileURL(file).href);
      return { contents: source.replaceAll('import.meta.url', url) };
    });
  },
};

/** Bundles `files` (compiled test files), each alone if they run apart, and hands the bundles, for ava, to `use`. */
export async function withGroups<T>(
  files: readonly string[],
  apart: boolean,
  use: (bundles: string[]) => Promise<T>,
): Promise<T> {
  await fs.mkdir(GROUPS_DIR, { recursive: true });
  const folder = await fs.mkdtemp(path.join(GROUPS_DIR, 'run-'));
  try {
    return await use(await bundleGroups(groupFiles(files, apart), folder));
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

async function bundleGroups(found: readonly string[][], outdir: string): Promise<string[]> {
  const groups = found.map((group, i) => {
    const first = nameOfTest(group[0] as string).replaceAll('/', '-');
    return { name: `${String(i).padStart(2, '0')}-${first}.test`, group };
  });
  const entries = new Map(groups.map(({ name, group }) => [name, group]));
  await build({
    entryPoints: groups.map(({ name }) => ({ in: `group:${name}`, out: name })),
    outdir,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    absWorkingDir: PROJECT_ROOT,
    plugins: [
      {
        name: 'groups',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^group:/ }, ({ path: name }) => ({
            path: name.slice('group:'.length),
            namespace: 'group',
          }));
          onLoad({ filter: /.*/, namespace: 'group' }, ({ path: name }) => ({
            contents: (entries.get(name) ?? [])
              .map((file) => `import ${JSON.stringify(path.resolve(PROJECT_ROOT, file))};`)
              .join('\n'),
            resolveDir: PROJECT_ROOT,
          }));
        },
      },
      asIfAlone,
    ],
  });
  // Its process would wait beside the tests.
  await stop();
  return groups.map(({ name }) => path.relative(PROJECT_ROOT, path.join(outdir, `${name}.js`)));
}
