import fs from 'node:fs/promises';

/** Names of the files in a folder of packs, sorted; what lies there for git alone is no file of a pack. */
export async function packFiles(folder: string): Promise<string[]> {
  return (await fs.readdir(folder)).filter((name) => name !== '.git').sort();
}
