/** Kinds of files in a repository, and the ways in which bytes of a file rot. */

/** Kind of a file, by its path under .dlv. */
export function kindOf(name: string): string {
  const [first = '', second = ''] = name.split('/');
  if (first === 'packs' || first === 'trash') return `${first} ${name.split('.').at(-1)}`;
  if (first === 'refs' || first === 'catalog') return `${first}/${second}`;
  return first;
}

/** Kinds that are rebuilt from others, or stand for nothing: no version depends on their bytes. */
export const DERIVED: ReadonlySet<string> = new Set([
  '.gitignore',
  'HEAD',
  'budgets',
  'catalog/calibration',
  'catalog/reads',
  'catalog/sketches',
  'format',
  'lock',
  'logs',
  'manifest',
  'packs idx',
  'readers',
  'refs/heads',
  'staging',
  'tmp',
  'trash blob',
  'trash hi',
  'trash idx',
]);

/** A way to damage a file. */
export interface Damage {
  /** In words: `byte 17 flipped`. */
  what: string;
  /** null: the file is gone. */
  bytes: Buffer | null;
}

const BLOCK_BYTES = 512;

function changed(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

/** One damage of each sort, at places that `random` chooses. */
export function damagesOf(bytes: Buffer, random: () => number): Damage[] {
  const at = Math.floor(random() * bytes.length);
  const bit = 1 << Math.floor(random() * 8);
  const damages: Damage[] = [
    { what: 'gone', bytes: null },
    { what: 'empty', bytes: Buffer.alloc(0) },
    { what: `cut to ${at} bytes`, bytes: bytes.subarray(0, at) },
    { what: 'one byte shorter', bytes: bytes.subarray(0, Math.max(0, bytes.length - 1)) },
    { what: 'longer by a zero', bytes: Buffer.concat([bytes, Buffer.alloc(1)]) },
    { what: 'twice itself', bytes: Buffer.concat([bytes, bytes]) },
  ];
  if (bytes.length === 0) return damages;
  const block = at - (at % BLOCK_BYTES);
  damages.push(
    { what: `bit ${bit} of byte ${at} flipped`, bytes: changed(bytes, (c) => (c[at]! ^= bit)) },
    { what: `byte ${at} inverted`, bytes: changed(bytes, (c) => (c[at]! ^= 0xff)) },
    {
      what: `block at ${block} zero`,
      bytes: changed(bytes, (c) => c.fill(0, block, Math.min(c.length, block + BLOCK_BYTES))),
    },
    {
      what: `${at} bytes taken from the front`,
      bytes: bytes.subarray(at),
    },
  );
  return damages.filter((damage) => damage.bytes === null || !damage.bytes.equals(bytes));
}
