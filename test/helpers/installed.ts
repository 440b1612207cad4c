/**
 * The command as an installation has it, in a folder that any user may read: for tests that run it as
 * somebody else, who may be unable to reach the clone (mode 0700 above it).
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { PROJECT_ROOT } from './paths.js';

interface Manifest {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

async function readManifest(dir: string): Promise<Manifest | null> {
  try {
    return JSON.parse(await fs.readFile(path.join(dir, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return null; // an optional dependency of another system
  }
}

/** Names of the packages that the command needs, with those that they need. */
async function runtimePackages(): Promise<string[]> {
  const found = new Set<string>();
  const queue = Object.keys((await readManifest(PROJECT_ROOT))?.dependencies ?? {});
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name)) continue;
    const manifest = await readManifest(path.join(PROJECT_ROOT, 'node_modules', name));
    if (manifest === null) continue;
    found.add(name);
    queue.push(...Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }));
  }
  return [...found];
}

/**
 * Copies the compiled command, the kernel and what they need to `dir`, readable by all.
 * @returns the path of the command.
 */
export async function installCopy(dir: string): Promise<string> {
  const packages = (await runtimePackages()).map((name) => path.join('node_modules', name));
  const parts = ['dist/bin', 'dist/lib', 'native/kernel.wasm', 'native/build', 'package.json'];
  for (const part of [...parts, ...packages]) {
    const from = path.join(PROJECT_ROOT, part);
    const there = await fs.stat(from).catch(() => null);
    if (there !== null) await fs.cp(from, path.join(dir, part), { recursive: true });
  }
  await makeReadable(dir);
  return path.join(dir, 'dist', 'bin', 'dlv.cjs');
}

/** Whatever the umask was and the modes in the clone are. */
async function makeReadable(dir: string): Promise<void> {
  await fs.chmod(dir, 0o755);
  for (const entry of await fs.readdir(dir, { withFileTypes: true })) {
    const child = path.join(dir, entry.name);
    if (entry.isDirectory()) await makeReadable(child);
    else if (entry.isFile()) await fs.chmod(child, 0o755);
  }
}
