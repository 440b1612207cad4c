/** Says which dlv this is, where it runs and which repositories it reads. */
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  makeDirectory,
  readSmallFile,
  statOrNull,
  writeFileAtomic,
} from '../../base/files/files.js';
import { USER_TEXT_BYTES_MAX } from '../../base/limits.js';
import { type KernelInfo, kernelFellBack, loadKernel } from '../../base/native/kernel.js';
import { CURRENT_FORMAT, type Format } from '../../storage/repo/format.js';

export interface About {
  version: string;
  /** Version of Node. */
  node: string;
  /** 'linux-x64' and the like. */
  platform: string;
  /** Feature flags of the repositories that it makes (docs/format/layout.md). */
  format: Format;
  /** Which kernel runs: native, portable (no SIMD) or wasm. */
  kernel: KernelInfo;
}

/** What `dlv --version` tells. */
export async function about(): Promise<About> {
  const manifest = new URL('../../../../package.json', import.meta.url);
  const text = Buffer.from(await readSmallFile(fileURLToPath(manifest), USER_TEXT_BYTES_MAX));
  const { version } = JSON.parse(text.toString()) as { version: string };
  const { node } = process.versions;
  return {
    version,
    node,
    platform: `${process.platform}-${process.arch}`,
    format: CURRENT_FORMAT,
    kernel: loadKernel().info,
  };
}

/** One line if WebAssembly took over because the addon was not built, else null. */
export function kernelNote(): string | null {
  if (!kernelFellBack()) return null;
  return "the native kernel was not built, the slower WebAssembly one ran; 'node native/build.mjs' in dlv's folder says why";
}

const DAY_MS = 24 * 3600 * 1000;

/** The same, but only if nobody was told for a day: an empty file in the user's cache has the time. */
export async function dailyKernelNote(env: NodeJS.ProcessEnv): Promise<string | null> {
  const note = kernelNote();
  if (note === null) return null;
  const cache = env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  const file = path.join(cache, 'dlv', 'kernel-notice');
  try {
    const told = (await statOrNull(file))?.stat.mtimeNs;
    const ago = told === undefined ? DAY_MS : Date.now() - Number(BigInt(told) / 1_000_000n);
    if (ago >= 0 && ago < DAY_MS) return null;
    await makeDirectory(path.dirname(file));
    await writeFileAtomic(file, new Uint8Array(0));
  } catch {
    // Without a cache it is said each time.
  }
  return note;
}
