/**
 * Makes the page of `dlv ui`: lib/ui and what it shares with the commands → dist/ui/app.js and app.css.
 * Nothing of Node may be left in it, and it has to stay small. Called by bundle.mjs after tsc.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const DIST = path.join(ROOT, 'dist');
/** Script and style together, compressed. */
const GZIP_BYTES_MAX = 200_000;

/** The behaviour of the commands' pages is a text there; here it is a module. */
const pageBehaviour = {
  name: 'page-behaviour',
  setup(build) {
    build.onResolve({ filter: /^#enhance$/ }, () => ({ path: 'enhance', namespace: 'page' }));
    build.onLoad({ filter: /.*/, namespace: 'page' }, async () => {
      const file = path.join(DIST, 'lib/cli/pages/frame/script.js');
      const { ENHANCE } = await import(pathToFileURL(file).href);
      return { contents: `${ENHANCE}\nexport { enhance };` };
    });
  },
};

/** Chromium names a language that is none where the system's locale is C, and a library asks for its numbers at once. */
const KNOWN_LANGUAGE = `try { new Intl.NumberFormat(navigator.language); } catch {
  Object.defineProperty(navigator, 'language', { value: 'en' });
}`;

/** Modules whose functions the page does not use are left out, whatever they would do when loaded. */
const nothingByTheSide = {
  name: 'nothing-by-the-side',
  setup(build) {
    build.onResolve({ filter: /^\./ }, async ({ path: name, ...how }) => {
      if (how.pluginData === 'asked') return null;
      const found = await build.resolve(name, { ...how, pluginData: 'asked' });
      if (found.errors.length > 0 || /[\\/]lib[\\/]ui[\\/]main\.tsx$/.test(found.path))
        return found;
      return { ...found, sideEffects: false };
    });
    build.onResolve({ filter: /^node:/ }, ({ path: name }) =>
      name === 'node:crypto'
        ? { path: 'crypto', namespace: 'browser', sideEffects: false }
        : { path: name, external: true, sideEffects: false },
    );
    // The width of text on a terminal, by which boxes of networks are cut, knows marks that nobody can write.
    build.onLoad({ filter: /.*/, namespace: 'browser' }, () => ({
      contents: `export const createHash = undefined, hash = undefined, webcrypto = crypto;
        export const randomBytes = (count) => {
          const bytes = crypto.getRandomValues(new Uint8Array(count));
          return { toString: () => bytes.join('-') };
        };`,
    }));
  },
};

export async function makePage() {
  const { build } = await import('esbuild');
  const built = await build({
    entryPoints: [path.join(ROOT, 'lib/ui/main.tsx')],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: ['es2022'],
    charset: 'ascii',
    legalComments: 'inline',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    plugins: [pageBehaviour, nothingByTheSide],
    banner: { js: KNOWN_LANGUAGE },
    external: ['level', 'lz4-napi'],
    logLevel: 'warning',
    // Modules of the command that are left out again.
    logOverride: { 'empty-import-meta': 'silent' },
    outdir: path.join(DIST, 'ui'),
  });
  const script = built.outputFiles.find((file) => file.path.endsWith('.js')).text;
  const [left] = Object.values(built.metafile.outputs).flatMap(({ imports }) => imports);
  if (left !== undefined) throw new Error(`the page needs '${left.path}', which no browser has`);
  const { UI_STYLE } = await import(pathToFileURL(path.join(DIST, 'lib/ui/style.js')).href);
  const notices = await Promise.all(['preact', 'uplot'].map(noticeOf));
  const text = `/*! dlv, Apache-2.0. Contains:\n${notices.join('\n')}*/\n${script}`;
  const bytes = gzipSync(text).length + gzipSync(UI_STYLE).length;
  if (bytes > GZIP_BYTES_MAX) throw new Error(`the page has ${bytes} bytes compressed`);
  await writeFile(path.join(DIST, 'ui/app.js'), text);
  await writeFile(path.join(DIST, 'ui/app.css'), UI_STYLE);
  return { bytes, metafile: built.metafile };
}

/** Name, version and licence of a package that is in the page. */
async function noticeOf(name) {
  const folder = path.join(ROOT, 'node_modules', name);
  const { version } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  const licence = await readFile(path.join(folder, 'LICENSE'), 'utf8');
  return `${name} ${version}\n${licence.replaceAll('*/', '* /').trim()}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { bytes, metafile } = await makePage();
  console.log(`${bytes} bytes compressed`);
  const [output] = Object.values(metafile.outputs);
  const parts = Object.entries(output.inputs).sort(
    (a, b) => b[1].bytesInOutput - a[1].bytesInOutput,
  );
  for (const [file, { bytesInOutput }] of parts.slice(0, 40)) console.log(bytesInOutput, file);
}
