/** Parts of the comparison that need no rival store: a status without a change, and sizes beside ZipNN. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { measureDlv, PROJECT_ROOT } from '../harness.js';
import { makeSeries } from './inputs.js';
import { type Taken, timed } from './process.js';
import { zipnnBytes } from './tools.js';

/** One pair: node that runs nothing, and `dlv status` of a repository in which nothing changed. */
export interface StatusSample {
  node: Taken;
  status: Taken;
}

const DLV = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');

export async function measureStatus(dir: string, runs: number): Promise<StatusSample[]> {
  const tree = await fs.mkdtemp(path.join(dir, 'status-'));
  try {
    await measureDlv(['init'], tree);
    for (let i = 0; i < 10; i++) await fs.writeFile(path.join(tree, `file-${i}`), `content ${i}`);
    await measureDlv(['add', '.'], tree);
    await measureDlv(['commit', '-m', 'all'], tree);
    const place = { cwd: tree, env: {} };
    const samples: StatusSample[] = [];
    for (let run = 0; run < runs; run++) {
      const node = await timed([process.execPath, '-e', '0'], place);
      samples.push({ node, status: await timed([process.execPath, DLV, 'status'], place) });
    }
    return samples;
  } finally {
    await fs.rm(tree, { recursive: true, force: true });
  }
}

/** Bytes of one file: alone in a repository, all of its packs, and as ZipNN writes it. */
export interface FileSizes {
  file: string;
  bytes: number;
  dlv: number;
  zipnn: number;
}

/** Model files whose values are fp32, mostly or all. */
const MODEL_FILES = /\.(safetensors|onnx|pt)$/;
/** In smaller files what is said of the tensors outweighs them. */
const BYTES_MIN = 1 << 20;

async function modelFiles(folder: string): Promise<string[]> {
  const entries = await fs.readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile() && MODEL_FILES.test(entry.name));
  const found: string[] = [];
  for (const entry of files) {
    const file = path.join(entry.parentPath, entry.name);
    if ((await fs.stat(file)).size >= BYTES_MIN) found.push(file);
  }
  return found.sort();
}

async function storedAlone(file: string, dir: string): Promise<number> {
  const tree = await fs.mkdtemp(path.join(dir, 'alone-'));
  try {
    await measureDlv(['init'], tree);
    await fs.copyFile(file, path.join(tree, path.basename(file)));
    await measureDlv(['add', '.'], tree);
    const { stdout } = await measureDlv(['commit', '-m', 'alone'], tree);
    return (JSON.parse(stdout) as { storedBytes: number }).storedBytes;
  } finally {
    await fs.rm(tree, { recursive: true, force: true });
  }
}

/** @param data  a folder of model files to compare besides the made one. */
export async function compareSizes(
  dir: string,
  data: string | undefined,
  shrink: number,
): Promise<{ files: FileSizes[]; skipped: string | null }> {
  const dense = (await makeSeries('dense', dir, shrink)).versions[0]?.[0]?.source as string;
  const files = [dense, ...(data === undefined ? [] : await modelFiles(path.resolve(data)))];
  const zipnn = await zipnnBytes(files);
  if (zipnn === null) {
    const skipped = 'ZipNN (pip install zipnn, and DLV_PEER_PYTHON=<that Python>)';
    return { files: [], skipped };
  }
  const sizes: FileSizes[] = [];
  for (const [at, file] of files.entries()) {
    sizes.push({
      file: at === 0 ? 'dense' : path.relative(path.resolve(data ?? ''), file),
      bytes: (await fs.stat(file)).size,
      dlv: await storedAlone(file, dir),
      zipnn: zipnn[at] as number,
    });
  }
  return { files: sizes, skipped: null };
}
