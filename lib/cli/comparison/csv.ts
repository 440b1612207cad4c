/** A comparison as CSV: one number or text a row, so that one table has all of it. */
import type { DiffResult, ManyDiffResult, PairDiff } from '../../use/ops/diff.js';
import { csvCell } from '../output/versions/version-table.js';
import { isMany, type Shown } from './values.js';

type Value = string | number | boolean | null;

/** Rows of section, name, version, field, value. Rows that are equal in all versions only with `all`. */
export function* csvLines(
  result: DiffResult | ManyDiffResult,
  { all, top }: Shown,
): Generator<string> {
  const line = (cells: readonly Value[]): string =>
    cells.map((cell) => csvCell(typeof cell === 'boolean' ? String(cell) : cell)).join(',');
  yield line(['section', 'name', 'version', 'field', 'value']);
  const labels = result.ends.map(({ label }) => label);
  const rows = function* (
    section: string,
    name: string,
    at: number | string,
    fields: Record<string, Value | undefined>,
  ): Generator<string> {
    const version = typeof at === 'number' ? (labels[at] ?? '') : at;
    for (const [field, value] of Object.entries(fields)) {
      if (value !== undefined && value !== null) yield line([section, name, version, field, value]);
    }
  };
  for (const section of ['operation', 'params', 'data', 'environment'] as const) {
    for (const { name, cells, equal } of result[section]) {
      if (equal && !all) continue;
      for (const [at, cell] of cells.entries()) {
        if (cell === null) continue;
        const value = typeof cell.value === 'object' ? JSON.stringify(cell.value) : cell.value;
        yield* rows(section, name, at, { value, delta: cell.delta });
      }
    }
  }
  for (const { name, cells, equal } of result.metrics) {
    if (equal && !all) continue;
    for (const [at, cell] of cells.entries()) {
      if (cell === null) continue;
      const { last, best, delta, parting } = cell;
      yield* rows('metrics', name, at, {
        last: last.value,
        last_step: last.step,
        best: best?.value,
        best_step: best?.step,
        delta,
        differs_at: parting?.differs,
        parts_at: parting?.step,
      });
    }
  }
  for (const { name, cells } of top === null ? result.layers : result.layers.slice(0, top)) {
    for (const [at, cell] of cells.entries()) {
      if (cell === null) continue;
      const { relativeL2, cosine, maxAbs, changed, signFlips, bound, maxAbsBound, cosineBound } =
        cell;
      yield* rows('layers', name, at, {
        relative_l2: relativeL2,
        relative_l2_bound: bound === 0 ? null : bound,
        cosine,
        cosine_bound: cosineBound === 0 ? null : cosineBound,
        max_abs: maxAbs,
        max_abs_bound: maxAbsBound === 0 ? null : maxAbsBound,
        changed,
        sign_flips: signFlips,
      });
    }
  }
  for (const pair of isMany(result) ? result.pairs : [result]) yield* pairRows(pair, rows);
}

function* pairRows(
  { after, files, snapshots }: PairDiff,
  rows: (
    section: string,
    name: string,
    version: string,
    fields: Record<string, Value | undefined>,
  ) => Generator<string>,
): Generator<string> {
  for (const { path, status, bytesAfter } of files) {
    yield* rows('files', path, after.label, { status, bytes: bytesAfter });
  }
  for (const { tensors } of snapshots) {
    for (const { name, status, numbers } of tensors) {
      yield* rows('tensors', name, after.label, {
        status,
        changed: numbers?.changed,
        max_abs: numbers?.maxAbs,
        max_abs_bound: numbers?.bound?.maxAbs,
        relative_l2: numbers?.relativeL2,
        relative_l2_bound: numbers?.bound?.relativeL2,
        cosine: numbers?.cosine,
        cosine_bound: numbers?.bound?.cosine,
        sign_flips: numbers?.signFlips,
        effective_rank: numbers?.rank?.effective,
      });
    }
  }
}
