/** Slow tests run only where `.ci/run` names them. */

/** `a/{b,c}.ts` → `a/b.ts`, `a/c.ts`, as a shell does. */
function expand(word: string): string[] {
  const found = /^(.*?)\{([^{}]*)\}(.*)$/.exec(word);
  if (found === null) return [word];
  const [, before = '', parts = '', after = ''] = found;
  return parts.split(',').flatMap((part) => expand(`${before}${part}${after}`));
}

/** @returns the slow test files that no word of the script names, by themselves or by their folder. */
export function checkSlowFiles(files: readonly string[], script: string): string[] {
  const words = (script.match(/\btest\/[\w./{},-]+/g) ?? []).flatMap(expand);
  return files
    .filter((file) => file.endsWith('.slow.test.ts'))
    .filter((file) => !words.some((word) => file === word || file.startsWith(`${word}/`)))
    .map((file) => `${file}: .ci/run does not run it`);
}
