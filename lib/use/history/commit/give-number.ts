/**
 * Gives a number to a version that is about to be made. No other version of its model gets the same
 * number.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { LimitError } from '../../../base/errors.js';
import { NUMBER_MAX } from '../../../base/limits.js';
import { countNumbers } from '../../../storage/objects/count-numbers.js';
import { NUMBERS_FLAG, requireWriteFlag } from '../../../storage/repo/format.js';
import { raiseMark, readNumbers, writeNumbers } from '../../../storage/repo/numbers.js';
import { VersionNumbers } from '../../../storage/repo/refs/version-numbers.js';
import type { ChangeAccess } from '../access.js';

/**
 * One more than the highest number that its model ever gave here, and than those of its parents. The
 * mark is on the disk when this returns: a version that is then not made leaves its number unused.
 * @throws {CorruptError} if the marks are damaged or lost; {LimitError} after the last number.
 */
export async function giveNumber(
  repo: ChangeAccess,
  model: string,
  parents: readonly Id[],
): Promise<number> {
  // Takes a while in a repository that older versions made, and is done once: without the lock.
  const counted = (await readNumbers(repo.layout)) ?? (await countNumbers(repo));
  const numbers = new VersionNumbers((id) => repo.version(id));
  let least = 0;
  for (const parent of parents) {
    if ((await repo.version(parent)).model !== model) continue;
    least = Math.max(least, await numbers.of(parent));
  }
  return repo.locked(async (lock) => {
    const marks = (await readNumbers(repo.layout)) ?? counted;
    const number = Math.max(marks.get(model)?.highest ?? 0, least) + 1;
    if (number > NUMBER_MAX) {
      throw new LimitError(`model '${model}' has given all its numbers`, {
        limit: 'NUMBER_MAX',
        value: number,
        max: NUMBER_MAX,
        hint: `continue with a new model: 'dlv copy ${model} <name>'`,
      });
    }
    raiseMark(marks, model, number);
    await writeNumbers(lock, marks);
    await requireWriteFlag(lock, NUMBERS_FLAG);
    return number;
  });
}
