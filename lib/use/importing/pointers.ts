/** What git holds in the place of large files: pointers of git-lfs, and what DVC writes beside its cache. */

/** A file that a pointer stands for. */
export interface LfsPointer {
  sha256: string;
  size: number;
}

/** Longest file that may be a pointer. */
export const POINTER_BYTES_MAX = 1024;
/** Longest file of DVC that is read. */
export const DVC_BYTES_MAX = 16 * 1024 * 1024;

/** The pointer that a file is, or null. */
export function parseLfsPointer(text: string): LfsPointer | null {
  const match =
    /^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v\d\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n?$/.exec(
      text,
    );
  return match === null ? null : { sha256: match[1] as string, size: Number(match[2]) };
}

/** An output that DVC tracks: a file, or a folder if its md5 ends with '.dir'. */
export interface DvcOutput {
  md5: string;
  path: string;
}

/** True for the names of files in which DVC lists outputs. */
export function isDvcFile(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name === 'dvc.lock' || (name.endsWith('.dvc') && name.length > 4);
}

const MD5 = /^[0-9a-f]{32}(\.dir)?$/;

function scalar(text: string): string {
  const plain = text.trim();
  if (plain.startsWith("'")) return plain.slice(1, -1).replaceAll("''", "'");
  if (!plain.startsWith('"')) return plain;
  try {
    return String(JSON.parse(plain));
  } catch {
    return plain;
  }
}

/** Outputs in a `.dvc` file or a dvc.lock, as DVC itself writes them: lists below `outs:`. */
export function parseDvcOutputs(text: string): DvcOutput[] {
  const outputs: DvcOutput[] = [];
  /** Indent of the `outs:` that the lines below belong to. */
  let within: number | null = null;
  let item: Record<string, string> = {};
  const finish = (): void => {
    const { md5 = '', path = '' } = item;
    if (MD5.test(md5) && path !== '') outputs.push({ md5, path });
    item = {};
  };
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const indent = line.length - line.trimStart().length;
    const isItem = line.trimStart().startsWith('- ');
    if (within !== null && (indent < within || (indent === within && !isItem))) {
      finish();
      within = null;
    }
    if (/^\s*outs:\s*$/.test(line)) {
      within = indent;
      continue;
    }
    if (within === null) continue;
    if (isItem) finish();
    const pair = /^\s*(?:- )?\s*([A-Za-z_]\w*):\s*(.*)$/.exec(line);
    if (pair !== null) item[pair[1] as string] = scalar(pair[2] as string);
  }
  finish();
  return outputs;
}

/** Files of a folder that DVC tracks, from the JSON list in its cache. */
export function parseDvcFolder(text: string): DvcOutput[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row: { md5?: unknown; relpath?: unknown }) =>
    typeof row?.md5 === 'string' && MD5.test(row.md5) && typeof row.relpath === 'string'
      ? [{ md5: row.md5, path: row.relpath }]
      : [],
  );
}
