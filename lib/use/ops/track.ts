/** A program that tells of itself, through `dlv batch`: the run of `dlv.track` and of the callbacks in Python. */
import { UsageError } from '../../base/errors.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import {
  beginTracked,
  type TrackBegin,
  type TrackBegun,
  type TrackNews,
  tellTracked,
} from '../running/track.js';

/** What a program tells: that it begins, or news of a run of its. */
export type TrackTold = { begin: TrackBegin } | { run: string; news: TrackNews };

/** Takes what a program tells. @throws {UsageError} {NotFoundError} {IoError} {LockedError} */
export async function track(
  repo: Repository,
  text: string,
  context: OpContext,
): Promise<TrackBegun | Record<string, never>> {
  let told: TrackTold;
  try {
    told = JSON.parse(text) as TrackTold;
  } catch {
    throw new UsageError('what is told of a run is no JSON', { option: '--track' });
  }
  if ('begin' in told) return beginTracked(repo, told.begin, context);
  await tellTracked(repo, told.run, told.news);
  return {};
}
