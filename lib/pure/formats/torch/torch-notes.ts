/**
 * Warnings about tensors of a PyTorch file that are not exactly what their name says. Each
 * kind of note names its first tensors, so that a file of a million odd tensors takes no memory here.
 */

/** Kinds of notes with what they say; the names follow. */
const SAYS = {
  opaque: 'holds tensors that cannot be shown and are kept as opaque bytes',
  quantised: 'shows quantised tensors by their integer codes, scales and zero points',
  sparse: 'shows sparse tensors by their indices and values',
  nested: 'shows nested tensors by their values and offsets',
  packed: 'shows tensors of packed values by their bytes, each of which holds several',
  lazy: 'shows conjugated and negated views as the elements that they view',
  shard: "shows distributed tensors by this process's shard",
  wrapped: 'shows tensors of wrapper classes by the tensors inside',
} as const;

export type NoteKind = keyof typeof SAYS;

/** Names that one note lists. */
const NAMES_SHOWN = 5;
const NAME_CHARACTERS_MAX = 200;

export class TorchNotes {
  readonly #notes = new Map<NoteKind, { names: string[]; count: number }>();

  /** @param detail said behind the name, in brackets. */
  add(kind: NoteKind, name: string, detail = ''): void {
    const note = this.#notes.get(kind) ?? { names: [], count: 0 };
    this.#notes.set(kind, note);
    note.count++;
    if (note.names.length >= NAMES_SHOWN) return;
    const shown = `'${name.slice(0, NAME_CHARACTERS_MAX)}'`;
    note.names.push(detail === '' ? shown : `${shown} (${detail.slice(0, NAME_CHARACTERS_MAX)})`);
  }

  /** One sentence for each kind, in the order of the table above. */
  warnings(): string[] {
    const made: string[] = [];
    for (const kind of Object.keys(SAYS) as NoteKind[]) {
      const note = this.#notes.get(kind);
      if (note === undefined) continue;
      const more = note.count - note.names.length;
      const others = more > 0 ? ` and ${more} more` : '';
      made.push(`${SAYS[kind]}: ${note.names.join(', ')}${others}`);
    }
    return made;
  }
}
