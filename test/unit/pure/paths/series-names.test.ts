import test from 'ava';
import {
  foldersOfSeries,
  pathInFolder,
  plainPath,
  type SeriesFiles,
} from '../../../../lib/pure/paths/series-names.js';

function seriesOf(series: string, ...insides: string[]): SeriesFiles {
  return { series, insides, folder: '' };
}

/** Folders of series whose files all have one name, in order. */
function foldersFor(series: readonly string[], inside: string): string[] {
  return [...foldersOfSeries(series.map((one) => seriesOf(one, inside))).values()];
}

test('series whose files have one name are in folders that tell them apart', (t) => {
  const cases: [string[], string, string[]][] = [
    [['out/teacher/checkpoint-*', 'out/student/checkpoint-*'], 'model.bin', ['teacher', 'student']],
    [['gen/step_*', 'disc/step_*'], 'model.safetensors', ['gen', 'disc']],
    [['gen/model-step*.pt', 'disc/model-step*.pt'], '', ['gen', 'disc']],
    [['out/gen_step*.pt', 'out/disc_step*.pt'], '', ['gen', 'disc']],
    [['a/run/checkpoint-*', 'b/run/checkpoint-*'], 'model.bin', ['a/run', 'b/run']],
    [['run/checkpoint-*', 'x/run/checkpoint-*'], 'model.bin', ['run', 'x/run']],
    [['out/checkpoint-*', 'out/epoch_*'], 'model.bin', ['checkpoint', 'epoch']],
    [['checkpoint-*', 'old/checkpoint-*'], 'model.bin', ['checkpoint', 'old']],
    [['.', 'gen'], 'best.pt', ['', 'gen']],
    [['../a/ckpt-*', '/b/ckpt-*'], 'model.bin', ['a', 'b']],
    [['Out/Gen/ckpt-*', 'out/gen/ckpt-*'], 'model.bin', ['Gen', 'out/gen']],
  ];
  for (const [series, inside, folders] of cases) {
    t.deepEqual(foldersFor(series, inside), folders, series.join(' '));
  }
});

test('a folder of checkpoints has the folder that files beside it lack', (t) => {
  const all = [
    seriesOf('out/student/net_step_*.pt', ''),
    seriesOf('out/student/checkpoint-*', 'model.pt'),
    seriesOf('out/teacher/checkpoint-*', 'model.pt'),
  ];
  t.deepEqual([...foldersOfSeries(all).values()], ['net', 'student', 'teacher']);
});

test('series with names of their own keep them', (t) => {
  t.deepEqual(foldersFor(['out/teacher/checkpoint-*'], 'model.bin'), ['']);
  const all = [seriesOf('out', 'best.pt'), seriesOf('out/net_step_*.safetensors', '')];
  t.deepEqual([...foldersOfSeries(all).values()], ['', '']);
  t.is(plainPath('out/net_step_*.safetensors', ''), 'model.safetensors');
  t.is(plainPath('out/best.pt', ''), 'best.pt');
});

test('a series keeps the folder that it has, and nobody takes the name it had before', (t) => {
  const gen = { ...seriesOf('gen/step_*', 'model.pt'), folder: 'gen' };
  t.deepEqual(
    [...foldersOfSeries([gen, seriesOf('disc/step_*', 'model.pt')]).values()],
    ['gen', 'disc'],
  );
  const other = { ...seriesOf('x/gen/step_*', 'model.pt'), folder: 'x/gen' };
  t.deepEqual([...foldersOfSeries([gen, other]).values()], ['gen', 'x/gen']);
});

test('no two files of many series have one path, whatever their names', (t) => {
  const names = [
    'a',
    'A',
    'a/a',
    'b/a',
    'a/step_*',
    'a/step*.pt',
    'step_*',
    '.',
    '..',
    'a/b',
    'é/a',
  ];
  for (let mask = 1; mask < 1 << names.length; mask += 3) {
    const all = names
      .filter((_, i) => (mask >> i) & 1)
      .map((name) => seriesOf(name, ...(name.endsWith('.pt') ? [''] : ['a', 'b/a', 'model.pt'])));
    const folders = foldersOfSeries(all);
    const paths = all.flatMap(({ series, insides }) =>
      insides.map((one) => pathInFolder(folders.get(series) as string, plainPath(series, one))),
    );
    const folded = paths.map((one) => one.normalize('NFC').toLowerCase());
    t.is(new Set(folded).size, folded.length, paths.join(' '));
    for (const one of folded) {
      t.false(
        folded.some((other) => other.startsWith(`${one}/`)),
        `${one} of ${paths.join(' ')}`,
      );
    }
  }
});
