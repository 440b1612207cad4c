/**
 * Memory for what the kernel works on. Its threads use memory of `kernelMemory` where it is; any other
 * is copied before a call returns, since JavaScript could detach or shrink it meanwhile
 * (native/addon/blocks.h). So planes and long payloads belong in here, and nothing breaks if they do
 * not: they only take longer.
 */
import { kernelIfLoaded, loadKernel } from '../native/kernel.js';

/** Memory with any content; loads the kernel. */
export function kernelMemory(bytes: number): Uint8Array {
  return loadKernel().allocate(bytes);
}

/** The same for bytes that a kernel may be given. None is loaded for that alone. */
export function payloadMemory(bytes: number): Uint8Array {
  return kernelIfLoaded()?.allocate(bytes) ?? Buffer.allocUnsafeSlow(bytes);
}
