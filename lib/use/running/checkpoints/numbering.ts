/**
 * What numbers the checkpoints of a run: told by how names differ from one checkpoint to the next, by the steps that
 * the command tells, and by words such as 'step'. A name that is used again is numbered by nothing.
 *
 * While one name alone does not tell, it is unsure: its files are held, and it becomes a version when another one
 * came, or at the end. Sees names and no files. Start at `Numbering.file` and `Numbering.folder`.
 */
import path from 'node:path';
import {
  bestNumber,
  type NameNumber,
  type NumberedName,
  numberedName,
} from '../../../pure/paths/numbered-names.js';

/** What a name says. */
export interface Numbered {
  /** What the names of its series have in common: 'ck-*.pt'. */
  common: string;
  /** Null if only metrics or times are in the name. */
  step: number | null;
  /** False while nothing but the name says so. */
  isSure: boolean;
  /** True if a word of it or the command says that it is a step. */
  isTold: boolean;
}

/** Steps that were told last are compared with names. */
const TOLD_MAX = 8;
/** Series of which names are remembered. */
const SERIES_MAX = 10_000;

export class Numbering {
  /** A name of each series that the run wrote. */
  readonly #names = new Map<string, string>();
  /** Series of which the run wrote several names, or of which it is known otherwise that a number tells them apart. */
  readonly #several = new Set<string>();
  /** Names that were there before the run: what they have in common with new ones says nothing. */
  readonly #before = new Set<string>();
  readonly #reused = new Set<string>();
  /** Folders that hold a series, whatever their own name says. */
  readonly #plain = new Set<string>();
  readonly #inside = new Map<string, ReadonlySet<string>>();
  readonly #told: number[] = [];

  /** A step that the command or its logs tell. */
  tell(step: number): void {
    if (this.#told.includes(step)) return;
    this.#told.push(step);
    if (this.#told.length > TOLD_MAX) this.#told.shift();
  }

  /** A series that is one, as an earlier stretch of the run or a step that was told says: a folder, and what its names have in common. */
  know(folder: string, common: string): void {
    this.#several.add(path.join(folder, common));
  }

  /** The command begins: what was seen so far is not the run's. */
  begin(): void {
    for (const place of this.#names.values()) this.#before.add(place);
    this.#names.clear();
    this.#inside.clear();
  }

  /** The same name was used for another checkpoint. */
  reuse(place: string): void {
    this.#reused.add(place);
  }

  /** What the name of a file of weights says; null if nothing in it numbers it. */
  file(folder: string, name: string): Numbered | null {
    const found = numberedName(name);
    const place = path.join(folder, name);
    if (found === null || this.#reused.has(place)) return null;
    const told = this.#toldOf(found);
    // It stays so when other steps were told since.
    if (told !== null) this.know(folder, found.common);
    const hasSeveral = this.#note(folder, found.common, place);
    const best = told ?? bestNumber(found);
    const isTold = told !== null || found.numbers.some(({ word }) => word !== null);
    const isSure = isTold || hasSeveral || found.numbers.some(({ isPadded }) => isPadded);
    return { common: found.common, step: best?.value ?? null, isSure, isTold };
  }

  /**
   * The number in the name of a folder with weights; null if the folder as a whole is not one checkpoint.
   * @param insides  names of the files of weights right in it.
   */
  folder(folder: string, name: string, insides: readonly string[]): Numbered | null {
    const place = path.join(folder, name);
    const found = numberedName(name);
    if (found === null || bestNumber(found) === null) return null;
    this.#lookInside(place, insides);
    if (this.#plain.has(place) || this.#reused.has(place)) return null;
    const told = this.#toldOf(found);
    const best = (told ?? bestNumber(found)) as NameNumber;
    const others = insides.flatMap((inside) => {
      const own = numberedName(inside);
      return own === null || own.numbers.some(({ value }) => value === best.value) ? [] : [own];
    });
    const numbered = { common: found.common, step: best.value, isTold: true };
    const telling = isTelling(name, best);
    const isFiner = others.some((own) => bestNumber(own)?.word === 'step') && best.word === 'epoch';
    const isOfFiles = isFiner || (!telling && others.length > 0);
    if (told !== null) this.know(folder, found.common);
    const isKnown = this.#several.has(path.join(folder, found.common));
    if (!isKnown && (isOfFiles || others.some((own) => this.#toldOf(own) !== null))) {
      this.#plain.add(place);
      return null;
    }
    if (this.#note(folder, found.common, place)) return { ...numbered, isSure: true };
    return telling ? { ...numbered, isSure: others.length === 0 } : null;
  }

  /** A numbered file came to a folder that was complete: unless more is known of it, the files are a series. */
  grow(place: string, insides: readonly string[]): void {
    const found = numberedName(path.basename(place));
    const isKnown =
      found === null ||
      this.#toldOf(found) !== null ||
      this.#several.has(path.join(path.dirname(place), found.common));
    if (!isKnown && insides.some((inside) => numberedName(inside) !== null)) this.#plain.add(place);
  }

  /** True if it is worth looking through a folder for what is below it: a number alone is in many names. */
  isLikely(folder: string, name: string): boolean {
    const found = numberedName(name);
    if (found === null || !this.mayNumber(folder, name)) return false;
    return (
      found.numbers.some(({ word }) => word !== null) ||
      this.#toldOf(found) !== null ||
      this.#several.has(path.join(folder, found.common))
    );
  }

  /** True if the number of a folder may turn out to be that of a checkpoint. */
  mayNumber(folder: string, name: string): boolean {
    const place = path.join(folder, name);
    if (this.#plain.has(place) || this.#reused.has(place)) return false;
    const found = numberedName(name);
    return found !== null && bestNumber(found) !== null;
  }

  /** True for a folder whose own name was taken for that of a checkpoint, and that holds a series instead. */
  isPlain(place: string): boolean {
    return this.#plain.has(place);
  }

  /** A trainer that removes a numbered file and writes the next one keeps a series there. */
  #lookInside(place: string, insides: readonly string[]): void {
    const now = new Set(insides.filter((inside) => numberedName(inside) !== null));
    const before = this.#inside.get(place);
    if (before !== undefined && now.size > 0) {
      const gone = [...before].filter((one) => !now.has(one)).map(commonOf);
      const isNew = [...now].some((one) => !before.has(one) && gone.includes(commonOf(one)));
      if (isNew) this.#plain.add(place);
    }
    // A file that is gone stays in mind until the next one comes.
    const kept = before === undefined ? now : new Set([...before, ...now]);
    this.#inside.set(place, kept);
  }

  /** @returns whether the run wrote several names of the series. */
  #note(folder: string, common: string, place: string): boolean {
    const series = path.join(folder, common);
    if (this.#several.has(series)) return true;
    if (this.#before.has(place)) return false;
    const known = this.#names.get(series);
    if (known === undefined && this.#names.size < SERIES_MAX) this.#names.set(series, place);
    if (known === undefined || known === place) return false;
    this.#several.add(series);
    return true;
  }

  /** The number of a name that was told as a step a moment ago; null if none was. */
  #toldOf({ numbers }: NumberedName): NameNumber | null {
    return numbers.findLast(({ value }) => this.#told.includes(value)) ?? null;
  }
}

function commonOf(name: string): string {
  return numberedName(name)?.common ?? name;
}

/** 'checkpoint-500' and 'step1000', not 'ckpt2' or 'checkpoints-2'. */
function isTelling(name: string, { word, isGlued }: NameNumber): boolean {
  if (word !== 'checkpoint') return word !== null;
  return !isGlued && !/(?:checkpoint|ckpt)s[-_=.]?\d/i.test(name);
}
