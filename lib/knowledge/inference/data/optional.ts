/** Packages that some data need, and that are installed apart: pictures of JPEG, tokenizers. */
import { createRequire } from 'node:module';
import { InferenceError } from '../../../base/errors.js';
import { importFile } from '../../../base/files/import-file.js';

const OPTIONAL = {
  'jpeg-js': 'reads JPEG files',
  '@huggingface/tokenizers': 'reads tokenizer.json',
} as const;

/** Loads a package from beside dlv, never from the repository. @throws {InferenceError} if it is not installed. */
export async function loadOptional(name: keyof typeof OPTIONAL): Promise<unknown> {
  let file: string;
  try {
    file = createRequire(import.meta.url).resolve(name);
  } catch {
    throw new InferenceError(`${name}, which ${OPTIONAL[name]}, is not installed`, {
      package: name,
      hint: `install it beside dlv: 'npm install ${name}' (with -g if dlv was installed so); see docs/eval.md`,
    });
  }
  const loaded = await importFile(file);
  return loaded.default ?? loaded;
}
