/** State files that lie: refs, HEAD, reflogs, format, config, staging, what archive and others keep. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { encodeCanonical } from '../../../lib/base/bytes/msgpack/msgpack.js';
import { lineSum } from '../../../lib/base/bytes/sealed.js';
import {
  MANIFEST_BYTES_MAX,
  NOTES_BYTES_MAX,
  REFLOG_BYTES_MAX,
  STATE_FILE_BYTES_MAX,
} from '../../../lib/base/limits.js';
import type { Hostile } from '../hostile-repositories.js';
import type { Fields, Forge } from './forge.js';

const NOWHERE = 'ab'.repeat(32);
const ESCAPES = '\u001b]0;owned\u0007\u202e\u{e0041}';

/** Paths that a version may not hold. */
export const BAD_PATHS: readonly string[] = [
  '../evil',
  '/etc/evil',
  'a/../../evil',
  '.git/hooks/pre-commit',
  '.dlv/config',
  'sub/.GIT/config',
  'git~1/config',
  'C:evil',
  'a//b',
  'a\\..\\..\\evil',
  'nul\0byte',
  'x'.repeat(300),
  `d/${'y/'.repeat(3000)}z`,
  '',
  '.',
];

const REFS: readonly Hostile[] = [
  {
    name: 'a ref names a blob that is not a version',
    make: async (forge) => forge.point(await forge.plant('blob', Buffer.from('no version'))),
  },
  { name: 'a ref names nothing', make: (forge) => forge.point(NOWHERE as never) },
  {
    name: 'a ref of two megabytes',
    make: (forge) => forge.write('refs/heads/m/main', Buffer.alloc(2 << 20, 'a')),
  },
  {
    name: 'names of refs with control characters',
    make: async (forge) => {
      for (const name of [ESCAPES, 'a\nb', 'x.lock', '@', '-rf', ' ', 'a@{1}', '\u202edm']) {
        await forge.seal(`refs/heads/m/${name}`, `${await forge.tip()}\n`);
        await forge.seal(`refs/tags/${name}`, `${await forge.tip()}\n`);
        await forge.write(`logs/refs/heads/m/${name}`, 'x\n');
      }
    },
  },
  {
    name: 'refs in folders 400 deep',
    make: (forge) => forge.write(`refs/heads/m/${'d/'.repeat(400)}x`, `${NOWHERE}\n`),
  },
  {
    name: 'two thousand refs that name nothing',
    make: async (forge) => {
      for (let i = 0; i < 2000; i++) await forge.seal(`refs/heads/m/b${i}`, `${NOWHERE}\n`);
    },
  },
  {
    name: 'a ref is a folder',
    make: (forge) => forge.replace('refs/heads/m/main', (file) => fs.mkdir(file)),
  },
  {
    name: 'notes of 20,000 ids that are not there',
    make: async (forge) => {
      const tip = await forge.tip();
      const id = (i: number) => `${i.toString(16).padStart(64, '0')}\n`;
      const ids = Array.from({ length: 20_000 }, (_, i) => id(i));
      await forge.seal(`refs/notes/${tip.slice(0, 2)}/${tip}`, ids.join(''));
    },
  },
  {
    name: 'notes: as many ends of lines as are read',
    make: async (forge) => {
      const tip = await forge.tip();
      const lines = '\n'.repeat(NOTES_BYTES_MAX - 100);
      await forge.seal(`refs/notes/${tip.slice(0, 2)}/${tip}`, lines);
    },
  },
  {
    name: 'notes that are versions',
    make: async (forge) => {
      const tip = await forge.tip();
      await forge.seal(`refs/notes/${tip.slice(0, 2)}/${tip}`, `${tip}\n`);
    },
  },
  {
    name: 'HEAD leads out of the repository',
    make: (forge) => forge.seal('HEAD', 'ref: refs/heads/../../../../canary/x\n'),
  },
  {
    name: 'HEAD is at a version that is not there',
    make: (forge) => forge.seal('HEAD', `version: ${NOWHERE}\nmodel: m\n`),
  },
  {
    name: 'HEAD names a model with control characters',
    make: (forge) => forge.seal('HEAD', `ref: refs/heads/${ESCAPES}/main\n`),
  },
  {
    name: 'reflogs without an end of line',
    make: async (forge) => {
      await forge.write('logs/HEAD', Buffer.alloc(5 << 20, 'z'));
      await forge.write('logs/refs/heads/m/main', Buffer.alloc(5 << 20));
    },
  },
  {
    name: 'reflogs of ten thousand versions that are not there',
    make: async (forge) => {
      const line = (i: number): string => {
        const id = i.toString(16).padStart(64, 'a');
        const body = `${id} ${id} ${Date.now()} ${ESCAPES}\t${ESCAPES}`;
        return `${lineSum(body)} ${body}\n`;
      };
      const text = Array.from({ length: 10_000 }, (_, i) => line(i)).join('');
      await forge.write('logs/HEAD', text);
      await forge.write('logs/deleted', text);
      await forge.write('logs/refs/heads/m/main', text);
    },
  },
];

/** Files of nothing but ends of lines: cut into lines, each would be a value. */
const EMPTY_LINES: readonly Hostile[] = [
  ['logs/HEAD', REFLOG_BYTES_MAX],
  ['logs/deleted', REFLOG_BYTES_MAX],
  ['catalog/reads', STATE_FILE_BYTES_MAX],
].map(
  ([name, bytes]): Hostile => ({
    name: `${name}: as many ends of lines as are read`,
    make: (forge) => forge.write(name as string, Buffer.alloc(bytes as number, '\n')),
  }),
);

const SEALED_LINES: readonly Hostile[] = [
  ['manifest', MANIFEST_BYTES_MAX],
  ['budgets', MANIFEST_BYTES_MAX],
  ['refs/heads/m/main', STATE_FILE_BYTES_MAX],
].map(
  ([name, bytes]): Hostile => ({
    name: `${name}: as many ends of lines as are read, with a right checksum`,
    make: (forge) => forge.seal(name as string, '\n'.repeat((bytes as number) - 100)),
  }),
);

const FRAME: readonly Hostile[] = [
  {
    name: 'format of a newer dlv',
    make: (forge) => forge.reseal('format', (text) => text.replace('packs-1', 'packs-1 zebra-9')),
  },
  {
    name: 'format that a newer dlv may write',
    make: (forge) =>
      forge.reseal('format', (text) => text.replace('manifest-1', 'manifest-1 zebra-9')),
  },
  {
    name: 'config of two megabytes',
    make: (forge) => forge.write('config', `[gc]\n graceDays = ${'9'.repeat(2 << 20)}\n`),
  },
  {
    name: 'config with control characters and unknown keys',
    make: (forge) => forge.write('config', `[${ESCAPES}]\n x = 1\n[user]\n name = a\0b\n`),
  },
  {
    name: 'config with numbers beyond all bounds',
    make: (forge) =>
      forge.write(
        'config',
        '[gc]\n graceDays = 1e308\n autoSets = -5\n[chain]\n depth = 99999999\n',
      ),
  },
  {
    name: 'budgets of a million promises',
    make: (forge) => forge.seal('budgets', `[${'[[[['.repeat(200_000)}`),
  },
  {
    name: 'calibration and reads that are nonsense',
    make: async (forge) => {
      await forge.seal('catalog/calibration', `${'{"a":'.repeat(50_000)}\n`);
      await forge.write('catalog/reads', `${NOWHERE} 9999999999999999999999\n`.repeat(20_000));
      await forge.write(`catalog/sketches/${'0'.repeat(32)}`, Buffer.alloc(1 << 20, 0xff));
    },
  },
  {
    name: 'ignore rules with many stars',
    make: async (forge) => {
      await fs.writeFile(path.join(forge.dir, '.dlvignore'), `${'*a'.repeat(12)}b\n`);
      await fs.writeFile(path.join(forge.dir, 'a'.repeat(200)), 'a');
    },
  },
  {
    name: 'tmp and trash full of strangers',
    make: async (forge) => {
      for (const top of ['tmp', 'trash', 'readers']) {
        await forge.write(`${top}/${'d/'.repeat(200)}x`, 'x');
        for (let i = 0; i < 300; i++) await forge.write(`${top}/1-${i}`, 'x');
        await forge.write(`${top}/${ESCAPES}`, 'x');
      }
    },
  },
];

function staged(name: string, change: (file: Fields, all: Fields[]) => unknown): Hostile {
  return {
    name: `staging: ${name}`,
    make: (forge: Forge) =>
      forge.staging((models) => {
        const rows = (models[0] as Fields)[5] as Fields[];
        return change(rows[0] as Fields, models);
      }),
  };
}

const entryOf = (row: Fields): Fields => row[0] as Fields;

const STAGING: readonly Hostile[] = [
  ...BAD_PATHS.map((bad) =>
    staged(`the path ${JSON.stringify(bad).slice(0, 40)}`, (row) => {
      entryOf(row)[0] = bad;
    }),
  ),
  staged('references that no version may hold', (row) => {
    row[5] = [...BAD_PATHS];
  }),
  staged('a size of 2^53 − 1', (row) => {
    entryOf(row)[2] = Number.MAX_SAFE_INTEGER;
  }),
  staged('a recipe that is not there', (row) => {
    entryOf(row)[6] = Buffer.from(`01${NOWHERE}`, 'hex');
  }),
  staged('a model and a branch of control characters', (_row, models) => {
    models[0]![0] = ESCAPES;
    models[0]![1] = '../../x';
  }),
  staged('pack sets with names that lead away', (_row, models) => {
    models[0]![4] = [['../../../canary/file', 1, 1]];
  }),
  staged('a base that is not there', (_row, models) => {
    models[0]![2] = Buffer.from(`01${NOWHERE}`, 'hex');
  }),
  {
    name: 'staging: more entries than bytes',
    make: (forge) => forge.stagingBytes(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])),
  },
  {
    name: 'staging: lists in lists without end',
    make: (forge) => forge.stagingBytes(Buffer.alloc(1 << 20, 0x91)),
  },
  {
    name: 'staging: thirty million small numbers',
    make: (forge) => {
      const list = Buffer.alloc(5 + 15_000_000, 1);
      list.writeUInt8(0xdd, 0);
      list.writeUInt32BE(15_000_000, 1);
      return forge.stagingBytes(Buffer.concat([Buffer.of(0x92), list, list]));
    },
  },
  {
    name: 'staging: a million empty lists',
    make: (forge) =>
      forge.stagingBytes(encodeCanonical([Array.from({ length: 1_000_000 }, () => [])])),
  },
];

export const STATE: readonly Hostile[] = [
  ...REFS,
  ...EMPTY_LINES,
  ...SEALED_LINES,
  ...FRAME,
  ...STAGING,
];
