/** Singular values against matrices whose values are known, and against traces of random ones. */
import test from 'ava';
import {
  effectiveRank,
  rankOfEnergy,
  singularValues,
  symmetricEigenvalues,
} from '../../../../lib/pure/tensor/spectrum.js';
import { seededRandom } from '../../../helpers/rng.js';

function near(a: number, b: number, scale = 1): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, scale);
}

test('spectrum: eigenvalues of matrices whose values are known', (t) => {
  // Rows below the diagonal are read.
  t.deepEqual([...symmetricEigenvalues(new Float64Array([2, 0, 0, 5]), 2)], [2, 5]);
  const [low, high] = symmetricEigenvalues(new Float64Array([2, 9, 1, 2]), 2);
  t.true(near(low!, 1) && near(high!, 3));
  // The path graph of n nodes: 2 − 2·cos(kπ / (n + 1)).
  const n = 40;
  const path = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    path[i * n + i] = 2;
    if (i > 0) path[i * n + i - 1] = -1;
  }
  for (const [i, value] of symmetricEigenvalues(path, n).entries()) {
    t.true(near(value, 2 - 2 * Math.cos(((i + 1) * Math.PI) / (n + 1))), `${i}: ${value}`);
  }
  t.deepEqual(
    [...symmetricEigenvalues(new Float64Array(9), 3)].map(Math.abs).filter((v) => v > 1e-200),
    [],
  );
  t.is(symmetricEigenvalues(new Float64Array(0), 0).length, 0);
});

test('spectrum: singular values of random matrices, wide and tall, keep norms and determinants', (t) => {
  const random = seededRandom(5);
  for (const [rows, columns] of [
    [6, 30],
    [30, 6],
    [17, 17],
    [1, 9],
    [9, 1],
  ] as const) {
    const values = Float64Array.from({ length: rows * columns }, () => random() - 0.5);
    const found = singularValues(values, rows, columns);
    t.is(found.length, Math.min(rows, columns));
    const squares = values.reduce((sum, value) => sum + value * value, 0);
    t.true(
      near(
        found.reduce((sum, value) => sum + value * value, 0),
        squares,
        squares,
      ),
    );
    t.deepEqual(
      [...found],
      [...found].sort((a, b) => b - a),
    );
    // A matrix and its transpose have the same.
    const turned = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
    const other = singularValues(turned, columns, rows);
    for (const [i, value] of found.entries()) t.true(Math.abs(value - other[i]!) < 1e-8, `${i}`);
  }
});

test('spectrum: a sum of outer products has their number as its rank', (t) => {
  const random = seededRandom(9);
  const [rows, columns, rank] = [60, 80, 4];
  const values = new Float64Array(rows * columns);
  for (let r = 0; r < rank; r++) {
    const u = Float64Array.from({ length: rows }, () => random() - 0.5);
    const v = Float64Array.from({ length: columns }, () => random() - 0.5);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) values[i * columns + j]! += u[i]! * v[j]!;
    }
  }
  const found = singularValues(values, rows, columns);
  t.true(found[rank - 1]! > 0.1);
  t.true(found[rank]! < 1e-6);
  t.true(rankOfEnergy(found, 0.9999) === rank && rankOfEnergy(found, 0.99) <= rank);
  t.true(effectiveRank(found) > 2 && effectiveRank(found) < rank + 0.01);
  t.true(near(effectiveRank([3, 3, 3]), 3) && near(effectiveRank([7, 0, 0]), 1));
  t.is(effectiveRank([0, 0]), 0);
  t.is(rankOfEnergy([], 0.99), 0);
});
