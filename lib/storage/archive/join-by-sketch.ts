/** Which extents are close by their sketches: renamed tensors find each other. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { ReadAccess } from '../objects/access.js';
import type { SurveyedExtent } from './numbered-extents.js';
import type { Survey } from './survey.js';

/** Nearest extents that are joined, and most extents of one size for which all are compared. */
const NEAREST = 3;
const COMPARED_MAX = 1024;

/**
 * Joins extents to those whose sketches are close, so that renamed tensors find each other. In crowds
 * of equal size only those are looked up that nothing else joins to any.
 * @param wanted  vertices to look up.
 */
export async function joinBySketch(
  repo: ReadAccess,
  survey: Survey,
  wanted: Iterable<number>,
  signal?: AbortSignal,
): Promise<void> {
  const vertices = new Map(survey.extents.map(({ id }, index) => [id, index + 1]));
  const crowds = new Map<string, number>();
  const sizeOf = ({ width, count }: SurveyedExtent): string => `${width}:${count}`;
  for (const extent of survey.extents) {
    crowds.set(sizeOf(extent), (crowds.get(sizeOf(extent)) ?? 0) + 1);
  }
  for (const vertex of wanted) {
    throwIfAborted(signal);
    const extent = survey.extents[vertex - 1] as SurveyedExtent;
    const isCrowded = (crowds.get(sizeOf(extent)) as number) > COMPARED_MAX;
    if (isCrowded && survey.near.neighbours(vertex).length > 0) continue;
    const sketch = await repo.sketches.sketchOf(extent.id);
    if (sketch === null) continue;
    const { width, count } = extent;
    for (const { id } of await repo.sketches.nearest(sketch, width, count, NEAREST + 1)) {
      const other = vertices.get(id);
      if (other !== undefined) survey.near.join(vertex, other);
    }
  }
}
