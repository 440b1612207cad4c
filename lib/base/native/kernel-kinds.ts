/** The builds of the kernel, as `DLV_KERNEL` names them. Loads none. */
import { UsageError } from '../errors.js';

export const KERNEL_KINDS = ['native', 'portable', 'wasm'] as const;

export type KernelKind = (typeof KERNEL_KINDS)[number];

/** @returns null if none is named. @throws {UsageError} for an unknown name. */
export function kernelNamed(text: string | undefined): KernelKind | null {
  if (text === undefined || text === '') return null;
  const kind = KERNEL_KINDS.find((name) => name === text);
  if (kind !== undefined) return kind;
  throw new UsageError(`DLV_KERNEL is '${text}', not one of ${KERNEL_KINDS.join(', ')}`, {
    option: 'DLV_KERNEL',
  });
}
