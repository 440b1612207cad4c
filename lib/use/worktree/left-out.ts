/** Model files that a walk left alone because git ignores them: what the user may have meant to add. */
import nodePath from 'node:path';
import { listEntries } from '../../base/files/files.js';
import type { Layout } from '../../storage/repo/layout.js';

/** Names that are of models and of little else. */
const MODEL_NAME =
  /\.(safetensors|pt|pth|ckpt|onnx|gguf|h5|keras|tflite)$|^(pytorch_|adapter_)?model.*\.bin$/i;
/** Folders in one ignored folder that are looked into, and how deep. */
const FOLDERS_MAX = 32;
const DEPTH_MAX = 2;

/** Those of the ignored paths that are model files, and folders (with '/') that hold one. */
export async function modelsAmong(layout: Layout, ignored: Iterable<string>): Promise<string[]> {
  const found: string[] = [];
  for (const path of ignored) {
    const isFolder = path.endsWith('/');
    const folder = path.slice(0, -1);
    if (isFolder ? await holdsModel(layout.workFile(folder)) : MODEL_NAME.test(path)) {
      found.push(path);
    }
  }
  return found;
}

async function holdsModel(top: string): Promise<boolean> {
  const queue = [{ dir: top, depth: 0 }];
  for (const { dir, depth } of queue) {
    // What may not be read is nothing to tell of.
    for (const entry of await listEntries(dir).catch(() => [])) {
      if (entry.isFile() && MODEL_NAME.test(entry.name)) return true;
      if (entry.isDirectory() && depth < DEPTH_MAX && queue.length < FOLDERS_MAX) {
        queue.push({ dir: nodePath.join(dir, entry.name), depth: depth + 1 });
      }
    }
  }
  return false;
}

/** One sentence about them; null if there are none. */
export function leftOutWarning(models: readonly string[]): string | null {
  const [first, ...others] = models;
  if (first === undefined) return null;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  const pattern = first.endsWith('/') ? first : `*${nodePath.extname(first)}`;
  return (
    `.gitignore leaves out '${first}'${more}: to take it all the same, name it, or write ` +
    `'!${pattern}' into .dlvignore`
  );
}
