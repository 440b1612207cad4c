/** What folders hold and dlv takes no content from: links that are not followed, FIFOs, sockets and devices. */
import { quoteSome } from '../../../base/bytes/words/wording.js';

export class OddFiles {
  readonly #paths = new Map<string, string[]>();

  add(isLink: boolean, path: string): void {
    const kind = isLink ? 'symbolic link' : 'special file';
    const paths = this.#paths.get(kind) ?? [];
    this.#paths.set(kind, paths);
    paths.push(path);
  }

  /** One sentence for all of a kind, however many there are. */
  warnings(): string[] {
    return [...this.#paths].map(([kind, paths]) =>
      paths.length > 1
        ? `${paths.length} ${kind}s are skipped: ${quoteSome(paths)}`
        : `'${paths[0]}' is skipped: it is a ${kind}`,
    );
  }
}
