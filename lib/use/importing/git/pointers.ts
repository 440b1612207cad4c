/** What git holds in the place of large files: pointers of git-lfs, and what DVC writes beside its cache. */
import { pushAll } from '../../../base/bytes/many.js';

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
  /** From the folder that its stage works in. */
  path: string;
  isExecutable: boolean;
}

/** The outputs of a stage. */
export interface DvcStage {
  /** Its name in a dvc.lock; null in a `.dvc` file, which has one. */
  name: string | null;
  /** Where it works, from the folder of the file; a dvc.lock does not say it. */
  folder: string;
  outputs: DvcOutput[];
  /** Paths of outputs whose md5 is none, so that nobody knows what they hold. */
  unknown: string[];
}

/** True for the names of files in which DVC lists outputs. */
export function isDvcFile(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name === 'dvc.lock' || (name.endsWith('.dvc') && name.length > 4);
}

/** True for the path of an output outside of the repository: an absolute path, or the address of some storage. */
export function isElsewhere(path: string): boolean {
  return path.startsWith('/') || /^[A-Za-z][A-Za-z0-9+.-]*:[\\/]/.test(path);
}

const MD5 = /^[0-9a-f]{32}(\.dir)?$/;

/** Escapes of YAML that stand for something else than the character after the backslash. */
const ESCAPES: Record<string, string> = {
  ...{ '0': '\0', a: '\x07', b: '\b', t: '\t', n: '\n', v: '\v', f: '\f', r: '\r', e: '\x1b' },
  ...{ N: '\x85', _: '\xa0', L: '\u2028', P: '\u2029' },
};

const SINGLE_QUOTED = /^'((?:[^']|'')*)'/;
const DOUBLE_QUOTED = /^"((?:[^"\\]|\\.)*)"/;

/** A value that stands in one line. */
function scalar(text: string): string {
  const plain = text.trim();
  const single = SINGLE_QUOTED.exec(plain)?.[1];
  if (single !== undefined) return single.replaceAll("''", "'");
  const double = DOUBLE_QUOTED.exec(plain)?.[1];
  if (double === undefined) return plain.replace(/\s+#.*$/, '');
  return double.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(0[0-9a-fA-F]{7})|(.))/g,
    (_, ...[x, u, long, one = '']: (string | undefined)[]) => {
      const hex = x ?? u ?? long;
      if (hex === undefined) return ESCAPES[one] ?? one;
      const code = Number.parseInt(hex, 16);
      return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
    },
  );
}

/** True for a value that goes on in the next line. */
function isOpen(value: string): boolean {
  if (value.startsWith("'")) return !SINGLE_QUOTED.test(value);
  return value.startsWith('"') && !DOUBLE_QUOTED.test(value);
}

/** What is read of an item of a list, and where its dash stands. */
interface Item {
  indent: number;
  fields: Record<string, string>;
  /** The `files:` of a folder in storage that keeps versions itself. */
  files: DvcOutput[];
}

interface Line {
  indent: number;
  isItem: boolean;
  /** null for what is no `key: value`. */
  key: string | null;
  value: string;
}

const KEY = /^(- +)?("[^"]*"|'[^']*'|[^\s:'"][^:]*):(?:\s+(.*))?$/;

/** Lines of YAML as DVC writes it, one key a line; a value that is broken over several lines is joined. */
function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  /** What the value of the last key takes of the lines that follow. */
  let column = 0;
  for (const line of text.split(/\r?\n/)) {
    const own = line.trim();
    if (own === '') continue;
    const indent = line.length - line.trimStart().length;
    const last = lines.at(-1);
    if (last !== undefined && last.key !== null && last.value !== '') {
      if (isOpen(last.value)) {
        last.value = last.value.endsWith('\\')
          ? last.value.slice(0, -1) + own
          : `${last.value} ${own}`;
        continue;
      }
      if (indent > column) {
        if (!/^[|>]/.test(last.value)) last.value += ` ${own}`;
        continue;
      }
    }
    if (own.startsWith('#')) continue;
    const pair = KEY.exec(own);
    column = indent + (pair?.[1]?.length ?? 0);
    const key = pair === null ? null : scalar(pair[2] as string);
    lines.push({ indent, isItem: own.startsWith('- '), key, value: pair?.[3] ?? '' });
  }
  return lines;
}

/** Stages in a `.dvc` file or a dvc.lock, as DVC itself writes them: lists below `outs:`. */
export function parseDvcStages(text: string): DvcStage[] {
  const stages: DvcStage[] = [];
  /** Keys that the line stands below, the outermost first. */
  const above: Line[] = [];
  let folder = '.';
  /** Indent of the `outs:` that the lines below belong to. */
  let within: number | null = null;
  const items: Item[] = [];
  const finish = (least: number): void => {
    for (let item = items.at(-1); item && item.indent >= least; item = items.at(-1)) {
      items.pop();
      const { md5 = '', path = '', relpath = '', isexec } = item.fields;
      const output = { md5, isExecutable: isexec === 'true' };
      const outer = items.at(-1);
      if (outer !== undefined) {
        if (MD5.test(md5) && relpath !== '') outer.files.push({ ...output, path: relpath });
      } else if (path !== '') {
        const { outputs, unknown } = stages.at(-1) as DvcStage;
        if (MD5.test(md5)) outputs.push({ ...output, path });
        else if (item.files.length === 0) unknown.push(path);
        else
          pushAll(
            outputs,
            item.files.map((file) => ({ ...file, path: `${path}/${file.path}` })),
          );
      }
    }
  };
  for (const line of linesOf(text)) {
    const { indent, isItem, key, value } = line;
    if (within !== null && (indent < within || (indent === within && !isItem))) {
      finish(0);
      within = null;
    }
    while ((above.at(-1)?.indent ?? -1) >= indent) above.pop();
    if (within === null) {
      if (key === 'wdir' && indent === 0) folder = scalar(value);
      if (key === 'outs' && value === '') {
        within = indent;
        stages.push({ name: above.at(-1)?.key ?? null, folder: '.', outputs: [], unknown: [] });
      } else if (!isItem) above.push(line);
      continue;
    }
    // A key stands right of the dash of its item.
    finish(indent);
    if (isItem) items.push({ indent, fields: {}, files: [] });
    const item = items.at(-1);
    if (key !== null && item !== undefined) item.fields[key] = scalar(value);
  }
  finish(0);
  return stages.map((stage) => (stage.name === null ? { ...stage, folder } : stage));
}

/** The folders that the stages of a dvc.yaml work in, by their names; of others it says none. */
export function parseStageFolders(text: string): Map<string, string> {
  const folders = new Map<string, string>();
  const above: Line[] = [];
  for (const line of linesOf(text)) {
    if (line.isItem) continue;
    while ((above.at(-1)?.indent ?? -1) >= line.indent) above.pop();
    const [top, stage] = above;
    if (line.key === 'wdir' && top?.key === 'stages' && stage?.key) {
      folders.set(stage.key, scalar(line.value));
    }
    above.push(line);
  }
  return folders;
}

/** Files of a folder that DVC tracks, from the JSON list in its cache; null if it is none. */
export function parseDvcFolder(text: string): DvcOutput[] | null {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(rows)) return null;
  return rows.flatMap((row: { md5?: unknown; relpath?: unknown; isexec?: unknown } | null) =>
    typeof row?.md5 === 'string' && MD5.test(row.md5) && typeof row.relpath === 'string'
      ? [{ md5: row.md5, path: row.relpath, isExecutable: row.isexec === true }]
      : [],
  );
}
