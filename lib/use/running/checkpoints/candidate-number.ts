/** What numbers a candidate, once more is known than when it was seen first. */
import path from 'node:path';
import { isWeightsFile } from '../../../pure/paths/weights-names.js';
import type { Candidate, CandidateFile } from './candidate.js';
import type { Numbering } from './numbering.js';
import type { SeenPlace } from './scan.js';

/**
 * Asks what numbers a candidate of which that was not sure, and puts it there.
 * @param isOver  nothing more comes that would tell.
 * @returns whether it is known now, and whether nothing numbers it: then a file is one of its folder.
 */
export function decideNumber(
  candidate: Candidate,
  numbering: Numbering,
  isOver: boolean,
): { isDecided: boolean; isOfFolder: boolean } {
  const { place, files } = candidate;
  const [folder, name] = [path.dirname(place), path.basename(place)];
  const isFile = files.has('');
  const waits = { isDecided: false, isOfFolder: false };
  // It is taken apart at the next look.
  if (candidate.isFolder && numbering.isPlain(place)) return waits;
  const numbered = isFile
    ? numbering.file(folder, name)
    : numbering.folder(folder, name, [...files.keys()].filter(isWeightsFile));
  if (numbered?.isSure) {
    const series = path.posix.join(path.posix.dirname(candidate.series), numbered.common);
    Object.assign(candidate, { series, step: numbered.step, isNumbered: true });
    return { isDecided: true, isOfFolder: false };
  }
  const isNothing = isFile ? numbered === null : !numbering.mayNumber(folder, name);
  return isOver || isNothing ? { isDecided: true, isOfFolder: isFile } : waits;
}

/** The place of a file that was taken for one of a folder, and is a checkpoint of its own. */
export function placeOfFile(
  { series, place }: Candidate,
  file: CandidateFile,
  numbering: Numbering,
): SeenPlace {
  const folder = path.posix.join(path.posix.dirname(series), path.basename(place));
  const numbered = numbering.file(place, file.inside);
  return {
    place: file.file,
    series: path.posix.join(folder, numbered?.common ?? file.inside),
    step: numbered?.step ?? null,
    isNumbered: numbered !== null,
    isSure: numbered?.isSure ?? false,
    isFolder: false,
    files: [{ ...file, inside: '' }],
  };
}
