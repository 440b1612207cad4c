/**
 * Builds the kernel: `node native/build.mjs` (the addon; run by npm at install) or with `--wasm`;
 * `--check-wasm` says whether the shipped WebAssembly is what its sources give. `--if-stale` builds the addon only
 * if its sources have changed since, as `npm run build` does: an addon of other sources may not be used.
 *
 * Calls the compiler directly on Node's own headers: no node-gyp, no Python, no download. Without a
 * compiler it says so in one line and succeeds: the shipped WebAssembly kernel is used then.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ADDON_FILE = path.join(HERE, 'build', 'kernel.node');
export const CORE = [
  'planes.c',
  'planes_avx2.c',
  'stats.c',
  'rans.c',
  'rans_avx2.c',
  'rans_avx512.c',
  'rans_wasm.c',
  'bulk.c',
  'palette.c',
  'bulk_x86.c',
  'buffer.c',
  'table.c',
  'encode.c',
  'encode_plane.c',
  'encoded.c',
  'reader.c',
  'decode.c',
  'dispatch.c',
  'sha256.c',
  'sha256_x86.c',
  'chunk.c',
  'sketch.c',
  'drift.c',
  'compute.c',
  'compute_loops.c',
  'compute_x86.c',
];
export const ADDON = [
  'module.c',
  'arguments.c',
  'blocks.c',
  'job.c',
  'answers.c',
  'jobs.c',
  'streams.c',
  'chain.c',
  'check.c',
  'plan.c',
  'crc32.c',
  'guard.c',
  'lz4.c',
  'team.c',
].map((name) => `addon/${name}`);

/** sha256 over names and contents of everything that goes into the .wasm, or with 'addon' into the addon. */
export function sourceHash(folder = 'wasm-include') {
  const hash = createHash('sha256');
  const files = fs.readdirSync(HERE).filter((name) => /\.[ch]$/.test(name));
  const extra = fs.readdirSync(path.join(HERE, folder)).map((n) => `${folder}/${n}`);
  for (const name of [...files, ...extra].sort()) {
    hash.update(`${name}\0`).update(fs.readFileSync(path.join(HERE, name)));
  }
  return hash.digest('hex');
}

function headerFolder() {
  const candidates = [
    path.join(path.dirname(process.execPath), '..', 'include', 'node'),
    '/usr/include/node',
    '/usr/local/include/node',
  ];
  return candidates.find((dir) => fs.existsSync(path.join(dir, 'node_api.h')));
}

function run(command, args) {
  return spawnSync(command, args, { cwd: HERE, encoding: 'utf8' });
}

/**
 * Builds the addon; CFLAGS of the environment come last.
 * @param output  the file to write.
 * @param faults  with calls that fail on demand, for tests (checks/faults.h).
 * @returns null, or why it was not built.
 */
export function buildAddon(output = ADDON_FILE, faults = false) {
  const headers = headerFolder();
  if (headers === undefined) return "Node's headers (node_api.h) are not installed";
  fs.mkdirSync(path.dirname(output), { recursive: true });
  const temporary = `${output}-${process.pid}.tmp`;
  const shared =
    process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
  const flags = [
    '-std=gnu11',
    '-O3',
    // A product and a sum stay two roundings, as they are in every other build.
    '-ffp-contract=off',
    // Roots are instructions, and no calls that set errno.
    '-fno-math-errno',
    '-fPIC',
    '-pthread',
    '-fvisibility=hidden',
    '-Wall',
    '-Wextra',
    '-Werror',
    ...(faults ? ['-include', 'checks/faults.h'] : []),
    ...(process.env.CFLAGS ?? '').split(/\s+/).filter(Boolean),
  ];
  const sources = [...CORE, ...ADDON, ...(faults ? ['checks/faults.c'] : [])];
  const compilers = [process.env.CC, 'cc', 'gcc', 'clang', 'g++'].filter(Boolean);
  for (const compiler of compilers) {
    // g++ alone has no C driver of its own name, but compiles C if it is told to.
    const language = compiler.endsWith('++') ? ['-x', 'c'] : [];
    const args = [
      ...flags,
      ...shared,
      `-I${headers}`,
      '-I.',
      ...language,
      ...sources,
      '-o',
      temporary,
    ];
    const result = run(compiler, args);
    if (result.error) continue;
    if (result.status === 0) {
      fs.renameSync(temporary, output);
      return null;
    }
    fs.rmSync(temporary, { force: true });
    return `${compiler} failed:\n${result.stderr}`;
  }
  return 'no C compiler was found';
}

/** What the addon was made of: its sources, and the compiler that was asked for. */
const ADDON_SOURCES = `${ADDON_FILE}.sources`;

function addonOrigin() {
  const { CC = '', CFLAGS = '' } = process.env;
  return `${sourceHash('addon')} ${CC} ${CFLAGS}\n`;
}

function isStale() {
  if (!fs.existsSync(ADDON_FILE) || !fs.existsSync(ADDON_SOURCES)) return true;
  return fs.readFileSync(ADDON_SOURCES, 'utf8') !== addonOrigin();
}

function buildOwnAddon() {
  const problem = buildAddon();
  if (problem === null) fs.writeFileSync(ADDON_SOURCES, addonOrigin());
  return problem;
}

const WASM = path.join(HERE, 'kernel.wasm');
const WASM_SOURCES = path.join(HERE, 'kernel.wasm.sources');

function clang() {
  return process.env.CLANG ?? 'clang';
}

/** First line of `clang --version`: another version may give other bytes. Undefined without clang. */
function clangVersion() {
  return run(clang(), ['--version']).stdout?.split('\n')[0];
}

/** What was recorded beside kernel.wasm: hash of its sources, compiler. */
export function wasmOrigin() {
  const [sources, compiler] = fs.readFileSync(WASM_SOURCES, 'utf8').split('\n');
  return { sources, compiler };
}

function compileWasm(target) {
  const exports = [
    'wasm_reset',
    'wasm_alloc',
    'wasm_encode',
    'wasm_decode',
    'wasm_answer',
    'wasm_cut_chunk',
    'wasm_distances',
    'wasm_drift',
    'wasm_weigh',
    'wasm_compute',
    'wasm_scratch',
  ];
  const flags = [
    '--target=wasm32',
    '-std=gnu11',
    '-O3',
    '-ffp-contract=off',
    '-msimd128',
    '-nostdlib',
    '-Iwasm-include',
    '-fno-builtin-malloc',
    '-mbulk-memory',
    '-Wl,--no-entry',
    '-Wl,--strip-all',
    '-Wl,-z,stack-size=1048576',
    ...exports.map((name) => `-Wl,--export=${name}`),
  ];
  const result = run(clang(), [...flags, ...CORE, 'wasm.c', '-o', target]);
  if (result.error) return 'clang was not found';
  return result.status === 0 ? null : result.stderr;
}

function buildWasm() {
  const problem = compileWasm(WASM);
  if (problem === null) fs.writeFileSync(WASM_SOURCES, `${sourceHash()}\n${clangVersion()}\n`);
  return problem;
}

/** Compares kernel.wasm with its sources: by building it again where that can give the same bytes. */
function checkWasm() {
  const { sources, compiler } = wasmOrigin();
  const again = "run 'node native/build.mjs --wasm' and commit what it writes";
  if (sources !== sourceHash()) return `kernel.wasm was made of other sources: ${again}`;
  const say = (text) => process.stdout.write(`kernel.wasm: ${text}\n`);
  const here = clangVersion();
  if (here !== compiler) {
    say(`NOT built again (${here ?? 'no clang'} here, ${compiler} there); made of these sources`);
    return null;
  }
  const temporary = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'dlv-wasm-')), 'kernel.wasm');
  const problem = compileWasm(temporary);
  if (problem === null && !fs.readFileSync(temporary).equals(fs.readFileSync(WASM))) {
    return `kernel.wasm differs from what its sources give: ${again}`;
  }
  fs.rmSync(path.dirname(temporary), { recursive: true });
  if (problem === null) say('equals what its sources give');
  else say(`NOT built again (this clang has no WebAssembly linker); made of these sources`);
  return null;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check-wasm');
  const wasm = check || process.argv.includes('--wasm');
  const isNeeded = !process.argv.includes('--if-stale') || isStale();
  const addon = () => (isNeeded ? buildOwnAddon() : null);
  const problem = check ? checkWasm() : wasm ? buildWasm() : addon();
  if (problem !== null) {
    const text = problem.trimEnd();
    process.stderr.write(
      wasm
        ? `dlv: WebAssembly kernel: ${text}\n`
        : `dlv: native kernel not built: ${text}; dlv uses its WebAssembly kernel\n`,
    );
    if (wasm) process.exitCode = 1;
  }
}
