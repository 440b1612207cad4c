/**
 * Loads the command from its layers, dist/bin/command-0.cjs and so on, each with the code cache beside it and not before
 * something in it is needed.
 *
 * bundle.mjs makes them. A cache is V8's own and holds for one version of Node and one source; V8
 * compares versions and flags, but of the source its length alone, and runs a damaged cache. So the
 * file begins with the CRC-32 of what follows: the first line of the source, which names its content,
 * and V8's data. (A sha256 would load Node's crypto, which most of `status` does not need.)
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

/** What the bundled lib/cli/main.ts exports. */
type Main = typeof import('../lib/cli/main.js');

/**
 * The flag of V8 while a command runs, and its default: the bytecode that a function runs before V8 optimizes it, 9 times
 * as much. Most commands end before optimized code has saved what making it took, a tenth of a checkout.
 */
const LATE_OPTIMIZING = '--interrupt-budget=600000';
const FIRST_OPTIMIZING = '--interrupt-budget=67584';
/**
 * By how many percent the memory that is in use may grow before V8 collects it, and the default, where V8 chooses: up to
 * four times. With the first a transfer of 50,000 tensors takes 310 to 340 MB at most, else now 390 and now 580.
 */
const SMALL_HEAP = '--heap-growing-percent=100';
const FIRST_HEAP = '--heap-growing-percent=0';

/**
 * Carries out `load` under the flags that V8 started with. V8 refuses a code cache that was made under others, the
 * layers' and that of each module of Node; then all of its source is compiled again.
 */
export function withFirstFlag<T>(load: () => T): T {
  v8.setFlagsFromString(`${FIRST_OPTIMIZING} ${FIRST_HEAP}`);
  try {
    return load();
  } finally {
    v8.setFlagsFromString(`${LATE_OPTIMIZING} ${SMALL_HEAP}`);
  }
}

/** `require` for the file of a layer. */
function requireFor(file: string): NodeJS.Require {
  const own = createRequire(file);
  const known = new Map<string, unknown>();
  const find = (name: string): unknown => {
    if (!known.has(name))
      known.set(
        name,
        withFirstFlag(() => own(name) as unknown),
      );
    return known.get(name);
  };
  return Object.assign(find, own);
}

const SUM_BYTES = 4;

/** The folder with the layers of the command, or null if nobody made them: then its modules are loaded one by one. */
export function findLayers(): string | null {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  return existsSync(layerFile(folder, 0)) ? folder : null;
}

export function layerFile(folder: string, number: number): string {
  return path.join(folder, `command-${number}.cjs`);
}

/** Commands that have code caches of their own, with the functions that they call and hardly any others. */
export const OWN_CACHES: ReadonlySet<string | undefined> = new Set(['status', 'commit', 'add']);

/** The command that a command line names, as findVerb of lib/cli/main.ts finds it. */
export function commandOf(argv: readonly string[]): string | undefined {
  const at = argv.findIndex((word, i) => !word.startsWith('-') && argv[i - 1] !== '-C');
  return argv[at];
}

/** Where the code cache of a layer stands. @param command  one of OWN_CACHES; null: that of all others. */
export function codeCacheFile(file: string, command: string | null = null): string {
  return command === null ? `${file}.cache` : `${file}.${command}.cache`;
}

/** The first line of a layer: a comment with the hash of the rest. */
function contentLine(source: string): string {
  return source.slice(0, source.indexOf('\n') + 1);
}

/** The content of the code cache's file. */
export function packCache(source: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(contentLine(source)), data]);
  const sum = Buffer.alloc(SUM_BYTES);
  sum.writeUInt32LE(crc32(body));
  return Buffer.concat([sum, body]);
}

/** V8's data for `source`, or undefined if the file is damaged or made for another source. */
export function unpackCache(source: string, file: Buffer): Buffer | undefined {
  if (file.length < SUM_BYTES) return undefined;
  const body = file.subarray(SUM_BYTES);
  const line = Buffer.from(contentLine(source));
  if (crc32(body) !== file.readUInt32LE(0)) return undefined;
  return body.subarray(0, line.length).equals(line) ? body.subarray(line.length) : undefined;
}

/** Memory that files are read into one after the other: fresh memory for each would cost a fault for every page. */
let memory = Buffer.allocUnsafeSlow(2 * 1024 * 1024);

/** The content of a file, until the next one is read. @throws if there is none. */
function readWhole(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    if (size > memory.length) memory = Buffer.allocUnsafeSlow(size);
    let done = 0;
    for (let got = -1; done < size && got !== 0; done += got) {
      got = readSync(fd, memory, done, size - done, done);
    }
    return memory.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}

function readCache(file: string, source: string): Buffer | undefined {
  try {
    return unpackCache(source, readWhole(file));
  } catch {
    return undefined; // there is none
  }
}

/** The code cache of a layer that is best for a command: V8 reads all of it, needed or not. */
function cacheFor(command: string | undefined, layer: string, source: string): Buffer | undefined {
  const own = OWN_CACHES.has(command)
    ? readCache(codeCacheFile(layer, command), source)
    : undefined;
  return own ?? readCache(codeCacheFile(layer), source);
}

/** What a layer gives to others: its modules by name, each run when it is first asked for. */
type Table = Record<string, () => unknown>;

export interface LoadedLayer {
  file: string;
  table: Table;
  script: Script;
  source: string;
}

/** The layers that were needed so far. */
export interface LoadedCommand {
  main: Main;
  loaded: () => LoadedLayer[];
}

/** Loads the first layer, and others when they are needed. @throws what reading throws, if there is none. */
export function loadCommand(folder: string, useCache = true): LoadedCommand {
  const layers: LoadedLayer[] = [];
  const importModule = (url: string): Promise<unknown> => import(url);
  const load = (number: number): LoadedLayer => {
    const file = layerFile(folder, number);
    const source = readWhole(file).toString('latin1'); // the bundler writes ASCII
    const cachedData = useCache
      ? cacheFor(commandOf(process.argv.slice(2)), file, source)
      : undefined;
    const script = withFirstFlag(() => new Script(source, { filename: file, cachedData }));
    const module = { exports: {} };
    const define = script.runInThisContext() as (...values: unknown[]) => void;
    const given = [module.exports, requireFor(file), module, file, folder];
    define(...given, importModule, layerOf);
    return { file, table: module.exports as Table, script, source };
  };
  const layerOf = (number: number): Table => (layers[number] ??= load(number)).table;
  const main = layerOf(0)['lib/cli/main.js']?.() as Main;
  return { main, loaded: () => layers.filter((layer) => layer !== undefined) };
}
