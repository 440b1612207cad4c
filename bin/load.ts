/**
 * Loads the command from its one file, dist/bin/command.cjs, with the code cache beside it.
 *
 * bundle.mjs makes both. The cache is V8's own and holds for one version of Node and one source; V8
 * compares versions and flags, but of the source its length alone, and runs a damaged cache. So the
 * file begins with the sha256 of what follows: the first line of the source, which names its content,
 * and V8's data.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';
import { Script } from 'node:vm';

/** What the bundled lib/cli/main.ts exports. */
type Main = typeof import('../lib/cli/main.js');

/**
 * Bytecode that a function runs before V8 optimizes it, 9 times its default: most commands end before
 * optimized code has saved what making it took, a tenth of a checkout.
 */
v8.setFlagsFromString('--interrupt-budget=600000');

const DIGEST_BYTES = 32;

/** The command in one file, or null if nobody made it: then its modules are loaded one by one. */
export function findBundle(): string | null {
  const bundle = fileURLToPath(new URL('command.cjs', import.meta.url));
  return existsSync(bundle) ? bundle : null;
}

/** Where the code cache of a bundle stands. */
export function codeCacheFile(bundle: string): string {
  return `${bundle}.cache`;
}

/** The first line of a bundle: a comment with the hash of the rest. */
function contentLine(source: string): string {
  return source.slice(0, source.indexOf('\n') + 1);
}

function digest(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest();
}

/** The content of the code cache's file. */
export function packCache(source: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(contentLine(source)), data]);
  return Buffer.concat([digest(body), body]);
}

/** V8's data for `source`, or undefined if the file is damaged or made for another source. */
export function unpackCache(source: string, file: Buffer): Buffer | undefined {
  const body = file.subarray(DIGEST_BYTES);
  const line = Buffer.from(contentLine(source));
  if (!digest(body).equals(file.subarray(0, DIGEST_BYTES))) return undefined;
  return body.subarray(0, line.length).equals(line) ? body.subarray(line.length) : undefined;
}

function readCache(bundle: string, source: string): Buffer | undefined {
  try {
    return unpackCache(source, readFileSync(codeCacheFile(bundle)));
  } catch {
    return undefined; // there is none
  }
}

export interface LoadedBundle {
  main: Main;
  script: Script;
  source: string;
}

/** Runs the top level of a bundle: a function of what a CommonJS module knows. @throws what reading throws, if there is no bundle. */
export function loadBundle(bundle: string, useCache = true): LoadedBundle {
  const source = readFileSync(bundle, 'latin1'); // the bundler writes ASCII
  const script = new Script(source, {
    filename: bundle,
    cachedData: useCache ? readCache(bundle, source) : undefined,
  });
  const module = { exports: {} };
  const define = script.runInThisContext() as (...values: unknown[]) => void;
  const importModule = (url: string): Promise<unknown> => import(url);
  define(module.exports, createRequire(bundle), module, bundle, path.dirname(bundle), importModule);
  return { main: module.exports as Main, script, source };
}
