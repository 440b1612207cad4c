/** How far a branch is from the one that it follows, in words. */
import type { Followed } from '../../use/tracking/ahead-behind.js';
import { formatCount } from './ui.js';

/** `origin/mnist/main: ahead 1, behind 2`, as `branch -vv` of git says it. */
export function distance({ name, version, ahead, behind }: Followed): string {
  if (version === null) return `${name}: gone`;
  const parts = [ahead ? `ahead ${ahead}` : '', behind ? `behind ${behind}` : ''].filter(Boolean);
  return parts.length === 0 ? name : `${name}: ${parts.join(', ')}`;
}

/** A sentence for `status`, and what to do. */
export function distanceSentence({ name, version, ahead, behind }: Followed): string {
  if (version === null) return `'${name}' was not fetched, or is gone ('dlv push' makes it there)`;
  if (ahead === null || behind === null) return `Behind '${name}' ('dlv pull' brings its versions)`;
  if (ahead > 0 && behind > 0) {
    return `This and '${name}' have ${ahead} and ${behind} versions that the other has not ('dlv pull' tells more)`;
  }
  if (ahead > 0)
    return `Ahead of '${name}' by ${formatCount(ahead, 'version')} ('dlv push' sends them)`;
  if (behind > 0) {
    return `Behind '${name}' by ${formatCount(behind, 'version')} ('dlv pull' moves on to it)`;
  }
  return `Up to date with '${name}'`;
}
