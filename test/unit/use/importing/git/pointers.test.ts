/** Pointers of git-lfs and the files of DVC, as these tools write them. */
import test from 'ava';
import {
  isDvcFile,
  parseDvcFolder,
  parseDvcStages,
  parseLfsPointer,
  parseStageFolders,
} from '../../../../../lib/use/importing/git/pointers.js';
import { baseModelOf } from '../../../../../lib/use/importing/hub-source.js';

const OID = 'a'.repeat(64);
const MD5 = '0123456789abcdef0123456789abcdef';

test('pointers: git-lfs, with and without extensions, and what only looks like one', (t) => {
  const head = 'version https://git-lfs.github.com/spec/v1\n';
  t.deepEqual(parseLfsPointer(`${head}oid sha256:${OID}\nsize 12\n`), { sha256: OID, size: 12 });
  const extended = `${head}ext-0-case md5:${MD5}\noid sha256:${OID}\nsize 12\n`;
  t.deepEqual(parseLfsPointer(extended), { sha256: OID, size: 12 });
  t.is(parseLfsPointer(`${head}oid sha256:${OID}\n`), null);
  t.is(parseLfsPointer(`${head}oid sha256:../../etc\nsize 12\n`), null);
  t.is(parseLfsPointer(`${head}oid sha256:${OID}\nsize 12\nmore`), null);
});

test('pointers: outputs of .dvc files and of stages', (t) => {
  t.deepEqual(
    parseDvcStages(
      `outs:\n- md5: ${MD5}.dir\n  size: 3\n  nfiles: 2\n  isexec: true\n  hash: md5\n  path: data\nwdir: ../in\n`,
    ),
    [
      {
        name: null,
        folder: '../in',
        outputs: [{ md5: `${MD5}.dir`, path: 'data', isExecutable: true }],
        unknown: [],
      },
    ],
  );
  const lock = `schema: '2.0'
stages:
  train:
    cmd: python train.py
    deps:
    - path: data
      md5: ${'b'.repeat(32)}
    outs:
    - path: model.pt
      hash: md5
      md5: ${MD5}
      size: 9
    - path: 'it''s.bin'
      md5: ${MD5}
  eval@2:
    cmd: x
    outs:
    - path: "sc\\u00e4le.json"
      md5: ${MD5}
meta: 1
`;
  t.deepEqual(
    parseDvcStages(lock).map(({ name, outputs }) => [name, ...outputs.map(({ path }) => path)]),
    [
      ['train', 'model.pt', "it's.bin"],
      ['eval@2', 'scäle.json'],
    ],
  );
  t.deepEqual(parseDvcStages('outs:\n- md5: ../../etc/passwd\n  path: x\n')[0]?.outputs, []);
  const rows = [{ md5: MD5, relpath: 'a/b' }, { md5: 1 }, null];
  t.deepEqual(parseDvcFolder(JSON.stringify(rows)), [
    { md5: MD5, path: 'a/b', isExecutable: false },
  ]);
  t.deepEqual(['{', '{}', ''].map(parseDvcFolder), [null, null, null]);
  t.deepEqual(['a/dvc.lock', 'm.dvc', '.dvc', 'dvc.yaml'].map(isDvcFile), [
    true,
    true,
    false,
    false,
  ]);
});

test('pointers: the folders that stages of a dvc.yaml work in', (t) => {
  const text = `vars:
  - wdir: no
stages:
    prepare:
        cmd: python prepare.py --wdir x
        outs:
            - data
    train:
        cmd: >-
            python train.py
        wdir: "src/train"   # below
        outs: [model.pt]
    eval:
        foreach: [1, 2]
        do:
            wdir: ../eval
            cmd: x
plots:
    wdir: no
`;
  t.deepEqual(
    [...parseStageFolders(text)],
    [
      ['train', 'src/train'],
      ['eval', '../eval'],
    ],
  );
});

test('pointers: names that DVC breaks over several lines, and what only looks like a key', (t) => {
  const lock = `schema: '2.0'
stages:
  s1:
    cmd: "echo \\"outs:\\" && cp t.sh \\"it's: odd\\" && cp t.sh \\"out name with
      outs: spaces\\""
    deps:
    - path: in
      md5: ${'b'.repeat(32)}
    outs:
    - path: "it's: odd #1 \\x41\\
        \\ \\U0001F600.bin"
      md5: ${MD5}
    - path: out name with spaces name with 
        spaces end.bin
      hash: md5
      md5: ${MD5}
  s2:
    cmd: |
      outs:
      - path: no
        md5: ${MD5}
    outs:
    - path: 'it''s
        two'
      md5: ${MD5}
`;
  t.deepEqual(
    parseDvcStages(lock).map(({ name, outputs }) => [name, ...outputs.map(({ path }) => path)]),
    [
      ['s1', "it's: odd #1 A 😀.bin", 'out name with spaces name with spaces end.bin'],
      ['s2', "it's two"],
    ],
  );
});

test('pointers: the base model of a card', (t) => {
  t.is(baseModelOf('---\nlicense: mit\nbase_model: org/base\n---\ntext'), 'org/base');
  t.is(baseModelOf('---\nbase_model:\n- org/base\n- org/other\n---\n'), 'org/base');
  t.is(baseModelOf('base_model: org/base'), null);
});

test('dvc: files of a folder that the storage keeps versions of', (t) => {
  const text = [
    'outs:',
    '- hash: md5',
    '  files:',
    '  - relpath: a.txt',
    `    md5: ${'1'.repeat(32)}`,
    '    size: 3',
    '  - size: 4',
    '    relpath: deep/b.txt',
    `    md5: ${'2'.repeat(32)}`,
    '  path: data',
    '- path: plain.bin',
    `  md5: ${'3'.repeat(32)}`,
    '  cloud:',
    '    s3:',
    `      etag: ${'4'.repeat(32)}`,
    '',
  ].join('\n');
  t.deepEqual(
    parseDvcStages(text).flatMap(({ outputs }) => outputs.map(({ md5, path }) => [md5, path])),
    [
      ['1'.repeat(32), 'data/a.txt'],
      ['2'.repeat(32), 'data/deep/b.txt'],
      ['3'.repeat(32), 'plain.bin'],
    ],
  );
});
