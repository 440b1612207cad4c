/**
 * Makes the command a few files (layers.mjs), and compiles them ahead of time.
 *
 *   node bin/bundle.mjs              after tsc: dist/lib/** → dist/bin/command-*.cjs and their code caches, dlv.cjs,
 *                                    and the page of dlv ui (page.mjs)
 *   node bin/bundle.mjs --compile    the code caches alone, for the Node that installs the package
 *
 * Some 130 modules take about 100 ms to find, read and compile; a layer with its code cache takes 15.
 * V8 refuses a cache of another version of Node; then the files are compiled at each start.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const BIN = path.join(DIST, 'bin');
const ENTRY = path.join(BIN, 'dlv.cjs');

/** `import.meta.url` of a module keeps its meaning: paths are relative to where the module stood. */
const keepModuleUrls = {
  name: 'keep-module-urls',
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, async ({ path: file }) => {
      if (!file.startsWith(DIST)) return null;
      const source = await readFile(file, 'utf8');
      if (!source.includes('import.meta.url')) return null;
      const place = JSON.stringify(path.relative(DIST, file).split(path.sep).join('/'));
      return { contents: source.replaceAll('import.meta.url', `moduleUrl(${place})`) };
    });
  },
};

/** commander loads what starts processes, and needs it only for commands that are other programs. */
const lateChildProcess = {
  name: 'late-child-process',
  setup(build) {
    build.onLoad({ filter: /commander[\\/]lib[\\/]command\.js$/ }, async ({ path: file }) => {
      const source = await readFile(file, 'utf8');
      const early = "const childProcess = require('node:child_process');";
      if (!source.includes(early))
        throw new Error(`${file} loads no child_process: not what this is for`);
      const late =
        "const childProcess = { spawn: (...given) => require('node:child_process').spawn(...given) };";
      return { contents: source.replace(early, late) };
    });
  },
};

/** Modules of Node that a command may never use. */
const LATE = /^node:(crypto|zlib|os|fs\/promises|timers\/promises|module|child_process|net)$/;

/**
 * Modules of Node are loaded when a value of theirs is first used: crypto alone takes as long as a tenth of `status`.
 * Importers take each value from the module at each use, so that getters do.
 */
const lateBuiltins = {
  name: 'late-builtins',
  setup(build) {
    build.onResolve({ filter: LATE }, ({ path: name, kind, namespace }) => {
      if (namespace === 'late') return { path: name, external: true };
      return kind === 'import-statement' ? { path: name, namespace: 'late' } : null;
    });
    build.onLoad({ filter: /.*/, namespace: 'late' }, async ({ path: name }) => {
      const keys = Object.keys(await import(name)).filter((key) => key !== 'default');
      return {
        contents: `let found;
          for (const key of ${JSON.stringify(keys)}) Object.defineProperty(exports, key, {
            enumerable: true, get: () => (found ??= require(${JSON.stringify(name)}))[key] });`,
      };
    });
  },
};

/** Code out of a code cache cannot import: the loader of the file does it. */
const importByLoader = {
  name: 'import-by-loader',
  setup(build) {
    build.onLoad({ filter: /base[\\/]files[\\/]import-file\.js$/ }, () => ({
      contents: `import { pathToFileURL } from 'node:url';
        export const importFile = (file) => importModule(pathToFileURL(file).href);`,
    }));
  },
};

/** What the command and its entry file have in common. */
const OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  plugins: [keepModuleUrls, lateChildProcess, importByLoader],
  banner: {
    js: "const moduleUrl = (place) => require('node:url').pathToFileURL(require('node:path').join(__dirname, '..', place)).href;",
  },
  charset: 'ascii',
  legalComments: 'none',
  logLevel: 'warning',
};

/** What the layers and the bundle of everything that they are divided by have in common. */
const COMMAND = {
  ...OPTIONS,
  // Packages with machine code find it beside their own files.
  external: ['level', 'lz4-napi'],
  minifyWhitespace: true,
  minifySyntax: true,
  write: false,
};

/**
 * What esbuild makes of an import from another layer and from a module of Node: a copy of the module with a getter for
 * each name, at each import. Modules of layers are what was asked for already; of others one object for all imports does,
 * with the module as its prototype.
 */
const COPIES = [
  [
    /__toESM=\(mod,isNodeMode,target\)=>\(.*?\)\),__toCommonJS=/,
    `__known=new Map,__toESM=mod=>mod.__esModule?mod:(__known.has(mod)||__known.set(mod,__create(mod,{default:{value:mod}})),
__known.get(mod)),__toCommonJS=`,
  ],
  [
    /__toCommonJS=mod=>[^;]*;/,
    '__toCommonJS=mod=>mod.__esModule?mod:__defProp(mod,"__esModule",{value:!0});',
  ],
];

function withoutCopies(body) {
  return COPIES.reduce((text, [copies, instead]) => {
    if (!copies.test(text)) throw new Error('esbuild makes copies in another way: see COPIES');
    return text.replace(copies, () => instead);
  }, body);
}

/** Writes a layer as a function of what a CommonJS module knows, below the hash of its text. */
async function writeLayer(file, bundled) {
  const body = withoutCopies(bundled);
  if (/\bimport\(/.test(body)) throw new Error(`${file} imports by itself: see importFile`);
  const given = 'exports, require, module, __filename, __dirname, importModule, layerOf';
  const source = `(function (${given}) {${body}\n})`;
  const hash = createHash('sha256').update(source, 'latin1').digest('hex');
  await writeFile(file, `// ${hash}\n${source}`, 'latin1');
}

async function bundle({ layerFile }) {
  const { build } = await import('esbuild');
  const { acrossLayers, divide, entryOf } = await import('./layers.mjs'); // not in the package
  const { metafile } = await build({
    ...COMMAND,
    entryPoints: [path.join(DIST, 'lib/cli/main.js')],
    metafile: true,
  });
  const { layers, layerOf, nameOf } = divide(metafile, DIST);
  for (const [number, layer] of layers.entries()) {
    const { outputFiles } = await build({
      ...COMMAND,
      plugins: [acrossLayers(number, layerOf, nameOf), lateBuiltins, ...COMMAND.plugins],
      stdin: { contents: entryOf(layer, nameOf), resolveDir: DIST, sourcefile: 'layer.js' },
      outfile: layerFile(BIN, number),
    });
    await writeLayer(layerFile(BIN, number), outputFiles[0].text);
  }
  await build({
    ...OPTIONS,
    entryPoints: [path.join(DIST, 'bin/dlv.js')],
    outfile: ENTRY,
    external: ['../lib/cli/main.js'],
  });
  await chmod(ENTRY, 0o755);
}

/** A stream that forgets what it is given: the commands below run for their compiled functions. */
function sink() {
  const stream = { isTTY: false, columns: 80, write: () => true, on: () => stream };
  return stream;
}

/** A file with one tensor, of values that change a little from round to round. */
function tensorFile(round) {
  const values = Float32Array.from(
    { length: 1 << 17 },
    (_, i) => Math.sin(i) + round * 1e-6 * Math.cos(3 * i),
  );
  const size = values.byteLength;
  const header = JSON.stringify({
    w: { dtype: 'F32', shape: [values.length], data_offsets: [0, size] },
  });
  const length = Buffer.alloc(8);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, Buffer.from(header), Buffer.from(values.buffer)]);
}

/**
 * Runs what people run most, so that the caches hold the functions that this took.
 * @param made  told a command that has caches of its own, after it ran and before any that calls much else.
 */
async function warm(runCli, folder, made) {
  const env = { HOME: folder, DLV_AUTHOR_NAME: 'dlv', DLV_AUTHOR_EMAIL: 'dlv@localhost' };
  const host = { cwd: folder, env, signal: new AbortController().signal };
  const run = (...argv) => runCli({ argv, ...host, stdout: sink(), stderr: sink() });
  /** In another process: what it calls is in no cache. */
  const apart = (...argv) =>
    promisify(execFile)(process.execPath, [ENTRY, ...argv], {
      ...host,
      env: { ...process.env, ...env },
    });
  let round = 0;
  const change = async () => {
    round++;
    await writeFile(path.join(folder, 'weights.bin'), Buffer.alloc(1 << 16, round));
    await writeFile(path.join(folder, 'model.safetensors'), tensorFile(round));
  };
  await apart('init', '--model', 'net');
  await change();
  await apart('add', '.');
  await apart('commit', '-m', '1');
  await run('status');
  await change();
  await run('status');
  await made('status');
  for (const message of ['2', '3']) {
    await apart('add', '.');
    await run('commit', '-m', message);
    await change();
  }
  await made('commit');
  for (const message of ['4', '5']) {
    await run('add', '.');
    await run('commit', '-m', message);
    await change();
  }
  await made('add');
  await run('init', path.join(folder, 'other'));
  await run('restore', '.');
  await run('status');
  await run('log');
  await run('list');
  await run('show');
  await run('diff', 'HEAD~1', 'HEAD');
  await run('checkout', 'HEAD~1', 'weights.bin');
  await rm(path.join(folder, 'model.safetensors'));
  await run('restore', '.');
  await run('--help');
  await run('commit', '--help');
}

/** Writes the code caches. A package that is installed without them works, and starts slower. */
async function compile({ codeCacheFile, loadCommand, packCache, withFirstFlag }) {
  const { main, loaded } = loadCommand(BIN, false);
  const keep = async (group) => {
    for (const { file, script, source } of loaded()) {
      const target = codeCacheFile(file, group);
      const unfinished = `${target}.${process.pid}`;
      const data = withFirstFlag(() => script.createCachedData());
      await writeFile(unfinished, packCache(source, data));
      await rename(unfinished, target);
    }
  };
  const folder = await mkdtemp(path.join(tmpdir(), 'dlv-compile-'));
  try {
    await warm(main.runCli, folder, keep);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  await keep(null);
}

/** The compiled bin/load.ts; none before the first build. */
const loader = await import(pathToFileURL(path.join(BIN, 'load.js')).href).catch(() => null);

if (process.argv[2] === '--compile') {
  // npm runs this at install; in a fresh clone there is nothing to compile before the first build.
  if (loader?.findLayers() != null) {
    await compile(loader).catch((error) => {
      console.warn(`dlv: it will start slower, no code cache could be made: ${error.message}`);
    });
  }
} else {
  const { makePage } = await import('./page.mjs');
  await bundle(loader);
  await mkdir(path.join(DIST, 'ui'), { recursive: true });
  await makePage();
  await compile(loader);
}
