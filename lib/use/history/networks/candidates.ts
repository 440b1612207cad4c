/** Which files of a version may define its network, by their names alone: `status` needs no more than that. */
import type { FilePage } from '../../../storage/repo/version/file-page.js';

export const NETWORK_SUFFIX = '.onnx';

/** Files that may define a network, by their names and places alone. */
export function definingCandidates<T extends { path: string }>({
  files,
  snapshots,
}: {
  files: readonly T[];
  snapshots: FilePage['snapshots'];
}): T[] {
  const keys = new Set(snapshots.filter(({ role }) => role === 'weights').map(({ key }) => key));
  return files.filter(({ path }) => keys.has(path) || path.endsWith(NETWORK_SUFFIX));
}

/** Endings of weights in formats that define no network. */
const WEIGHTS_ALONE = /\.(safetensors|pt|pth|bin|ckpt|npz|npy|distcp|json|msgpack|h5)$/i;

/** True unless the name of a file of weights says that it defines no network: lists do not open files. */
export function mayDefineNetwork(path: string): boolean {
  return !WEIGHTS_ALONE.test(path);
}
