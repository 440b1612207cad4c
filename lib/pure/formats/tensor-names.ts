/**
 * Gives every tensor of one file a name of its own, in bounded memory.
 *
 * Formats whose names come from nested structures can spell one name twice; later ones then get a
 * suffix by order of appearance, so that the same file always gives the same names.
 */
import { LimitError } from '../../base/errors.js';
import { TENSORS_PER_FILE_MAX } from '../../base/limits.js';

/** All names of one file together: far beyond any real one, and small enough to hold. */
const NAME_BYTES_MAX = 128 * 1024 * 1024;

/** The names given so far; one object for each namespace (a role of a layout). */
export class TensorNames {
  readonly #file: string;
  readonly #next = new Map<string, number>();
  #bytes = 0;

  /** @param file named in errors. */
  constructor(file: string) {
    this.#file = file;
  }

  has(name: string): boolean {
    return this.#next.has(name);
  }

  /** `name`, or `name~2`, `name~3` … if it is taken. @throws {LimitError} for too many or too long names. */
  add(name: string): string {
    this.#bytes += name.length;
    if (this.#next.size >= TENSORS_PER_FILE_MAX || this.#bytes > NAME_BYTES_MAX) {
      throw new LimitError(`'${this.#file}' has too many tensors or too long names`, {
        file: this.#file,
        limit: 'tensor names',
        max: NAME_BYTES_MAX,
      });
    }
    let unique = name;
    for (let n = this.#next.get(name) ?? 1; this.#next.has(unique); n++) {
      unique = `${name}~${n + 1}`;
      this.#next.set(name, n + 1);
    }
    this.#next.set(unique, 1);
    return unique;
  }
}
