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

/** What is read of an item of a list, and where its dash stands. */
interface Item {
  indent: number;
  fields: Record<string, string>;
  /** The `files:` of a folder in storage that keeps versions itself. */
  files: DvcOutput[];
}

/** Outputs in a `.dvc` file or a dvc.lock, as DVC itself writes them: lists below `outs:`. */
export function parseDvcOutputs(text: string): DvcOutput[] {
  const outputs: DvcOutput[] = [];
  /** Indent of the `outs:` that the lines below belong to. */
  let within: number | null = null;
  const items: Item[] = [];
  const finish = (least: number): void => {
    for (let item = items.at(-1); item && item.indent >= least; item = items.at(-1)) {
      items.pop();
      const { md5 = '', path = '', relpath = '' } = item.fields;
      const above = items.at(-1);
      if (above !== undefined) {
        if (MD5.test(md5) && relpath !== '') above.files.push({ md5, path: relpath });
      } else if (path !== '') {
        if (MD5.test(md5)) outputs.push({ md5, path });
        else outputs.push(...item.files.map((file) => ({ ...file, path: `${path}/${file.path}` })));
      }
    }
  };
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const indent = line.length - line.trimStart().length;
    const isItem = line.trimStart().startsWith('- ');
    if (within !== null && (indent < within || (indent === within && !isItem))) {
      finish(0);
      within = null;
    }
    if (/^\s*outs:\s*$/.test(line)) {
      within = indent;
      continue;
    }
    if (within === null) continue;
    // A key stands right of the dash of its item.
    finish(indent);
    if (isItem) items.push({ indent, fields: {}, files: [] });
    const pair = /^\s*(?:- )?\s*([A-Za-z_]\w*):\s*(.*)$/.exec(line);
    const item = items.at(-1);
    if (pair !== null && item !== undefined)
      item.fields[pair[1] as string] = scalar(pair[2] as string);
  }
  finish(0);
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
