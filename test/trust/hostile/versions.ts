/** Versions and recipes that lie. */

import { type Id, idBytes, sha256 } from '../../../lib/base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../lib/base/bytes/msgpack/msgpack.js';
import type { Hostile } from '../hostile-repositories.js';
import { FILE, type Fields, type Forge, VERSION, type VersionParts } from './forge.js';
import { BAD_PATHS } from './state.js';

const NOWHERE = Buffer.from(`01${'ab'.repeat(32)}`, 'hex');

function version(name: string, change: (parts: VersionParts) => unknown): Hostile {
  return { name: `version: ${name}`, make: (forge) => forge.versionOfFiles(change) };
}

/** A copy of the first file under another path. */
function alsoAs({ files }: VersionParts, path: string): Fields {
  const copy = [...(files[0] as Fields)];
  copy[FILE.path] = path;
  files.push(copy);
  return copy;
}

const FIELDS: readonly Hostile[] = [
  ...BAD_PATHS.map((bad) =>
    version(`the path ${JSON.stringify(bad).slice(0, 40)}`, (parts) => alsoAs(parts, bad)),
  ),
  version('a file and a folder of one name', (parts) => {
    alsoAs(parts, 'x');
    alsoAs(parts, 'x/y');
  }),
  version('names that differ in case', (parts) => {
    alsoAs(parts, 'Notes.TXT');
    alsoAs(parts, 'NOTES.txt');
  }),
  version('a mode with every bit', (parts) => {
    alsoAs(parts, 'suid')[FILE.mode] = 0o7777;
  }),
  version('a file of 2^52 bytes whose recipe has few', (parts) => {
    alsoAs(parts, 'huge')[FILE.size] = 2 ** 52;
  }),
  version('a recipe that is not there', (parts) => {
    alsoAs(parts, 'lost')[FILE.recipe] = NOWHERE;
  }),
  version('a snapshot of files that it does not have', ({ snapshots }) => {
    snapshots.push(['nothing.safetensors', 0, null, ['a', 'b']]);
  }),
  version('256 parents that are not there', ({ version: fields }) => {
    fields[VERSION.parents] = Array.from({ length: 256 }, (_, i) => {
      return Buffer.concat([Buffer.of(1), sha256().update(String(i)).digest()]);
    });
  }),
  version('a message of control characters', ({ version: fields }) => {
    fields[VERSION.message] = '\u001b[2J\u001b]0;owned\u0007\u202e'.repeat(10_000);
    fields[VERSION.author] = ['\u001b[31mroot', 'a@b\n'];
  }),
  version('logs that are not there', ({ version: fields }) => {
    fields[VERSION.logs] = [['../../log', NOWHERE, 2 ** 50]];
  }),
  version('another model than its ref', ({ version: fields }) => {
    fields[VERSION.model] = 'zebra';
  }),
  {
    name: 'version: totals of a million files, none of them there',
    make: (forge) =>
      forge.version(({ tree }) => {
        tree[0] = 1_000_000;
        tree[3] = Array.from({ length: 1000 }, (_, i) => [NOWHERE, 1000, `p${i}`]);
      }),
  },
  {
    name: 'version: fields that a newer dlv requires',
    make: (forge) =>
      forge.version(({ version: fields }) => {
        fields[13] = [['!zebra', Buffer.from('x')]];
      }),
  },
  {
    name: 'version: bytes that are not msgpack',
    make: async (forge) => forge.point(await forge.plant('version', Buffer.alloc(100, 0xc1))),
  },
  {
    name: 'version: a list of 2^32 values',
    make: async (forge) =>
      forge.point(await forge.plant('version', Buffer.from('ddffffffff', 'hex'))),
  },
];

/** Adds a file whose recipe is changed; its size is what `size` says. */
async function withRecipe(
  forge: Forge,
  size: number,
  change: (recipe: Fields) => unknown,
): Promise<void> {
  await forge.versionOfFiles(async (parts) => {
    const model = parts.files.find((file) => file[FILE.path] === 'model.safetensors') as Fields;
    const id = (model[FILE.recipe] as Buffer).subarray(1);
    const bytes = await forge.blob(Buffer.from(id).toString('hex') as Id, 'recipe');
    const recipe = decodeCanonical(bytes, 'recipe') as Fields;
    await change(recipe);
    const made = await forge.plant('recipe', encodeCanonical(recipe));
    const file = alsoAs(parts, 'made.bin');
    file[FILE.kind] = 1;
    file[FILE.recipe] = idBytes(made);
    file[FILE.size] = size;
  });
}

/** Adds a file of this recipe. */
async function withObjects(forge: Forge, size: number, recipe: Packed): Promise<void> {
  const made = await forge.plant('recipe', encodeCanonical(recipe));
  await forge.versionOfFiles((parts) => {
    const file = alsoAs(parts, 'made.bin');
    file[FILE.kind] = 1;
    file[FILE.recipe] = idBytes(made);
    file[FILE.size] = size;
  });
}

/** Adds a file that is one extent of bytes, which is stored nowhere. */
async function withExtent(forge: Forge, bytes: number): Promise<void> {
  const part = [3, 1, bytes, 0];
  const skeleton = await forge.plant(
    'skeleton',
    encodeCanonical([1, 'x', Buffer.alloc(0), [part], []]),
  );
  await withObjects(forge, bytes, [1, idBytes(skeleton), [], null, [], NOWHERE, []]);
}

const RECIPES: readonly Hostile[] = [
  {
    name: 'recipe: one chunk a hundred thousand times, of a file of 1,000 bytes',
    make: async (forge) => {
      const chunk = Buffer.alloc(64 * 1024, 7);
      const id = idBytes(await forge.plant('blob', chunk));
      const times = 100_000;
      const ids = Buffer.concat(Array.from({ length: times }, () => id));
      const lengths = Array.from({ length: times }, () => chunk.length);
      // A recipe without a skeleton is one run of chunks.
      const recipe: Packed = [1, null, [], null, [], Buffer.alloc(0), [[ids, lengths]]];
      await withObjects(forge, 1000, recipe);
    },
  },
  {
    name: 'recipe: one page of ids a thousand times',
    make: async (forge) => {
      const page = await forge.plant(
        'ids',
        Buffer.concat(Array.from({ length: 1024 }, () => NOWHERE)),
      );
      const pages = Buffer.concat(Array.from({ length: 1000 }, () => idBytes(page)));
      await withObjects(forge, 1000, [1, null, [], null, [], [1024 * 1000, pages], []]);
    },
  },
  {
    name: 'recipe: an extent of 8 TiB that is not there',
    make: (forge) => withExtent(forge, 2 ** 43),
  },
  {
    name: 'recipe: an extent larger than any file',
    make: (forge) => withExtent(forge, 2 ** 52),
  },
  {
    name: 'skeleton: five million parts of nothing',
    make: async (forge) => {
      const count = 5_000_000;
      const parts = Buffer.alloc(2 * count);
      for (let at = 0; at < parts.length; at += 2) parts.writeUInt16BE(0x9104, at);
      const head = Buffer.from([0x95, 1, 0xa1, 0x78, 0xc4, 0, 0xdd, 0, 0, 0, 0]);
      head.writeUInt32BE(count, head.length - 4);
      const bytes = Buffer.concat([head, parts, Buffer.of(0x90)]);
      const skeleton = idBytes(await forge.plant('skeleton', bytes));
      await withObjects(forge, 1000, [1, skeleton, [], null, [], Buffer.alloc(0), []]);
    },
  },
  {
    name: 'recipe: lists of what is not there',
    make: (forge) =>
      withRecipe(forge, 1000, (recipe) => {
        recipe[5] = Array.from({ length: 1000 }, () => NOWHERE);
      }),
  },
  {
    name: 'recipe: its skeleton is a version',
    make: (forge) =>
      withRecipe(forge, 1000, async (recipe) => {
        recipe[1] = idBytes(await forge.tip());
      }),
  },
];

export const VERSIONS: readonly Hostile[] = [...FIELDS, ...RECIPES];
