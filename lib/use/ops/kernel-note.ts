/** What a user should know about the kernel after a command that used it. */
import { kernelFellBack } from '../../base/native/kernel.js';

/** One line if WebAssembly took over because the addon was not built, else null. */
export function kernelNote(): string | null {
  if (!kernelFellBack()) return null;
  return "the native kernel was not built, the slower WebAssembly one ran; 'node native/build.mjs' in dlv's folder says why";
}
