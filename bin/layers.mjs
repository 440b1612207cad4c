/**
 * Divides the modules of the command into layers: files that are loaded one after the other, as far as a command needs them.
 *
 * A layer holds what its commands import and no layer before it holds. Inside a layer each module runs when it is first
 * needed; what a module of an earlier layer imports later (`import()`) may stand in a later one.
 */
import path from 'node:path';

/** The commands of each layer, by what they have in common; all others are in the last. */
const LAYERS = [
  ['status'],
  ['add', 'commit'],
  ['init', 'add', 'rm', 'mv', 'restore', 'commit', 'checkout', 'switch', 'show', 'reset', 'stash'],
  [],
];

const MAIN = 'lib/cli/main.js';

/** What a command and what runs it import when it runs belongs to it; what others import later may stand in a later layer. */
const IS_COMMAND = /[\\/]cli[\\/](run\.js|commands[\\/](?!index\.js$)[^\\/]+)$/;

/** `start` and all that it needs, but for what is in `done`. */
function closure(start, imports, done) {
  const found = new Set();
  const open = [...start];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file) || done.has(file)) continue;
    found.add(file);
    for (const { path: other, kind, external } of imports.get(file) ?? []) {
      if (!external && (kind !== 'dynamic-import' || IS_COMMAND.test(file))) open.push(other);
    }
  }
  return found;
}

/**
 * @param metafile esbuild's, of all modules in one bundle
 * @param root what its paths are relative to
 * @returns the layers in the order in which they are loaded: their modules and those that others ask for
 */
export function divide({ inputs }, root) {
  const imports = new Map(Object.entries(inputs).map(([file, { imports }]) => [file, imports]));
  const nameOf = (file) => path.relative(root, path.resolve(file)).split(path.sep).join('/');
  const fileOf = new Map([...imports.keys()].map((file) => [nameOf(file), file]));
  const done = new Set();
  const layerOf = new Map();
  const layers = LAYERS.map((commands, number) => {
    const isLast = number === LAYERS.length - 1;
    const start = commands.map((command) => fileOf.get(`lib/cli/commands/${command}.js`));
    if (start.includes(undefined)) throw new Error(`layer ${number}: a command is no module`);
    if (number === 0) start.push(fileOf.get(MAIN));
    const modules = closure(isLast ? imports.keys() : start, imports, done);
    for (const file of modules) {
      done.add(file);
      layerOf.set(path.resolve(file), number);
    }
    return { modules, asked: new Set() };
  });
  layers[0].asked.add(path.resolve(fileOf.get(MAIN)));
  for (const [file, all] of imports) {
    for (const { path: other, external } of all) {
      const target = path.resolve(other);
      const layer = layerOf.get(target);
      if (external || layer === undefined || layer === layerOf.get(path.resolve(file))) continue;
      layers[layer].asked.add(target);
    }
  }
  return { layers, layerOf, nameOf };
}

/** The entry of a layer: a table of its modules that others ask for, each run when it is first asked for. */
export function entryOf({ asked }, nameOf) {
  const rows = [...asked]
    .sort()
    .map((file) => `${JSON.stringify(nameOf(file))}: () => require(${JSON.stringify(file)})`);
  return `module.exports = {\n${rows.join(',\n')}\n};`;
}

/** What a module imports from another layer comes through that layer's table. */
export function acrossLayers(number, layerOf, nameOf) {
  return {
    name: 'across-layers',
    setup(build) {
      build.onResolve(
        { filter: /.*/ },
        async ({ path: name, pluginData, kind, importer, resolveDir, namespace }) => {
          if (pluginData === 'own' || kind === 'entry-point' || namespace !== 'file') return null;
          const found = await build.resolve(name, {
            kind,
            importer,
            resolveDir,
            pluginData: 'own',
          });
          const layer = layerOf.get(found.path);
          if (found.external || layer === undefined || layer === number) return found;
          // Whatever the module is, its place here is taken by a CommonJS module.
          return {
            path: `${nameOf(found.path)}.cjs`,
            namespace: 'other-layer',
            pluginData: found.path,
          };
        },
      );
      build.onLoad({ filter: /.*/, namespace: 'other-layer' }, ({ pluginData: file }) => ({
        contents: `module.exports = layerOf(${layerOf.get(file)})[${JSON.stringify(nameOf(file))}]();`,
      }));
    },
  };
}
