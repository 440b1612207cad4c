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
    /__export=\(\w+,\w+\)=>\{for\(.*?\}(?=,__copyProps)/,
    `__later=new Map,__export=(target,all)=>{__later.set(target,all)},__names=target=>{var all=__later.get(target)?.();
__later.delete(target);for(var name in all)__defProp(target,name,{get:all[name],enumerable:!0});return target}`,
  ],
  [
    /__toESM=\(mod,isNodeMode,target\)=>\(.*?\)\),__toCommonJS=/,
    `__known=new Map,__toESM=mod=>mod.__esModule?mod:(__known.has(mod)||__known.set(mod,__create(mod,{default:{value:mod}})),
__known.get(mod)),__toCommonJS=`,
  ],
  [
    /__toCommonJS=mod=>[^;]*;/,
    '__toCommonJS=mod=>mod.__esModule?mod:__defProp(__names(mod),"__esModule",{value:!0});',
  ],
];

/** The list of a module's names, as esbuild writes it: a getter for each. */
const NAMES = /__export\(([\w$]+),(\{(?:[\w$]+:\(\)=>[\w$.]+,?)*\})\)/g;

/** Makes the lists of names when their module is first asked for: a layer has a thousand of them, a command uses a few dozen. */
function withLateNames(body) {
  const lists = new Set([...body.matchAll(NAMES)].map(([, list]) => list));
  return body
    .replace(NAMES, '__export($1,()=>($2))')
    .replace(
      /(?<![\w$.])(__(?:export|toCommonJS)\()?([\w$]+_exports\d*)(?![\w$=])/g,
      (text, call, list) => (call === undefined && lists.has(list) ? `__names(${list})` : text),
    );
}

/** @throws {Error} if something is written in another way than COPIES knows. */
function withoutCopies(body) {
  return COPIES.reduce((text, [copies, instead]) => {
    if (!copies.test(text)) throw new Error('esbuild makes copies in another way: see COPIES');
    return text.replace(copies, () => instead);
  }, withLateNames(body));
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

/** Shapes of tensors: what has bases, what is split at once, and what is too small for either. */
const SHAPES = [[512, 256], [256, 128], [256, 256], [64]];

/** A checkpoint whose values change a little, and no two alike, from round to round. */
function checkpoint(round) {
  const header = { __metadata__: { format: 'pt', step: `${round}` } };
  const values = [];
  for (const [i, shape] of SHAPES.entries()) {
    const begin = 4 * values.length;
    const count = shape.reduce((a, b) => a * b);
    for (let k = 0; k < count; k++) {
      const place = values.length + 1;
      values.push(Math.sin(place * place) / 8 + round * 1e-4 * Math.cos(place * (place + round)));
    }
    header[`layers.${i}.weight`] = {
      dtype: 'F32',
      shape,
      data_offsets: [begin, 4 * values.length],
    };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, Buffer.from(Float32Array.from(values).buffer)]);
}

/** What is run for the cache of all commands that have none of their own. */
const OTHERS = 'others';

/**
 * Runs what people run most, so that the caches hold the functions that this took.
 * @param group  a command that has caches of its own, and is run alone for them; or OTHERS.
 */
async function warm(runCli, folder, group) {
  const env = { HOME: folder, DLV_AUTHOR_NAME: 'dlv', DLV_AUTHOR_EMAIL: 'dlv@localhost' };
  const host = { cwd: folder, env, signal: new AbortController().signal };
  const here = (...argv) => runCli({ argv, ...host, stdout: sink(), stderr: sink() });
  /** In another process: what it calls is in no cache. */
  const apart = (...argv) =>
    promisify(execFile)(process.execPath, [ENTRY, ...argv], {
      ...host,
      env: { ...process.env, ...env },
    });
  const run = (command, ...argv) =>
    group === OTHERS || group === command ? here(command, ...argv) : apart(command, ...argv);
  let round = 0;
  const change = async () => {
    round++;
    await writeFile(path.join(folder, 'weights.bin'), Buffer.alloc(1 << 16, round));
    await writeFile(path.join(folder, 'model.safetensors'), checkpoint(round));
  };
  await apart('init', '--model', 'net');
  await change();
  await apart('add', '.');
  await apart('commit', '-m', '1');
  await run('status');
  await change();
  await run('status');
  for (const message of ['2', '3', '4', '5']) {
    await run('add', '.');
    await run('commit', '-q', '-m', message);
    await change();
  }
  if (group !== OTHERS) return;
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

/** Writes the code caches of one group. A package that is installed without them works, and starts slower. */
async function compile({ codeCacheFile, loadCommand, packCache, withFirstFlag }, group) {
  const { main, loaded } = loadCommand(BIN, false);
  const folder = await mkdtemp(path.join(tmpdir(), 'dlv-compile-'));
  try {
    await warm(main.runCli, folder, group);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  for (const { file, script, source } of loaded()) {
    const target = codeCacheFile(file, group === OTHERS ? null : group);
    const unfinished = `${target}.${process.pid}`;
    const data = withFirstFlag(() => script.createCachedData());
    await writeFile(unfinished, packCache(source, data));
    await rename(unfinished, target);
  }
}

/** Writes all code caches, each in a process of its own: it holds all that its process has called. */
async function compileAll({ OWN_CACHES }) {
  const file = fileURLToPath(import.meta.url);
  for (const group of [...OWN_CACHES, OTHERS]) {
    await promisify(execFile)(process.execPath, [file, '--compile', group]);
  }
}

/** The compiled bin/load.ts; none before the first build. */
const loader = await import(pathToFileURL(path.join(BIN, 'load.js')).href).catch(() => null);

const [, , asked, group] = process.argv;
if (asked === '--compile' && group !== undefined) {
  await compile(loader, group);
} else if (asked === '--compile') {
  // npm runs this at install; in a fresh clone there is nothing to compile before the first build.
  if (loader?.findLayers() != null) {
    await compileAll(loader).catch((error) => {
      console.warn(`dlv: it will start slower, no code cache could be made: ${error.message}`);
    });
  }
} else {
  const { makePage } = await import('./page.mjs');
  await bundle(loader);
  await mkdir(path.join(DIST, 'ui'), { recursive: true });
  await makePage();
  await compileAll(loader);
}
