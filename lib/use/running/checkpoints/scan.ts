/**
 * Looks for checkpoints and logs that a command writes: by a glob, or by the names that trainers give them. Nothing is
 * opened; what is found says its size and times.
 *
 * Without a glob a folder may hold a million pictures, so such a walk is bounded, and what it costs decides when the
 * next one comes; folders in which checkpoints were found are looked at each time.
 */

import path from 'node:path';
import { pushAll } from '../../../base/bytes/many.js';
import type { FileStat } from '../../../base/files/files.js';
import { statThrough } from '../../../base/files/places/user-paths.js';
import { isFileOfLog } from '../../../pure/logs/read-logs.js';
import { roleOfName, TRAINER_STATE } from '../../../pure/paths/checkpoint-names.js';
import { Glob } from '../../../pure/paths/glob.js';
import { bestNumber, numberedName } from '../../../pure/paths/numbered-names.js';
import {
  isLoose,
  isRightInside,
  isWeightsFile,
  LOOSE_WEIGHTS,
  WEIGHTS,
} from '../../../pure/paths/weights-names.js';
import { Numbering } from './numbering.js';
import { entriesOf, fileAt, filesBelow, lookAt, type SeenFile } from './seen-files.js';

/** A file or folder that is a checkpoint, as it is now. */
export interface SeenPlace {
  /** Absolute. */
  place: string;
  /** What its checkpoints have in common. */
  series: string;
  step: number | null;
  /** True if its name is used once: nobody writes another checkpoint there. */
  isNumbered: boolean;
  /** False while it is not known whether a number in its name is that of the checkpoint. */
  isSure: boolean;
  /** True for a folder that is a checkpoint as a whole: its files come one after another. */
  isFolder: boolean;
  files: SeenFile[];
}

export interface Scan {
  places: SeenPlace[];
  /** Files that training logs are written to. */
  logs: { file: string; stat: FileStat }[];
}

/** Names that say that a file is being written, or is none of the trainer's. */
const UNFINISHED =
  /^(\.|tmp[-_.]|temp[-_.])|(\.(tmp|temp|part|partial|incomplete|lock|swp)|~)$|\.tmp[-_.]/i;
/** Folders in which no checkpoint is looked for. */
const PASSED_OVER =
  /^(\.|node_modules$|__pycache__$|site-packages$|v?env$|wandb$|mlruns$|tmp[-_.])|\.(egg-info|tmp|incomplete)$/;
/** A scan looks at so many entries at most, and at so many folders below one another. */
const ENTRIES_MAX = 20_000;
const DEPTH_MAX = 8;
/** What a look at one entry takes at most, in milliseconds: a walk comes when a hundred times its cost has passed. */
const ENTRY_MS = 0.03;
const WALK_SHARE = 0.01;

export interface ScanOptions {
  /** Where the command runs, absolute. */
  cwd: string;
  /** Globs of files and folders that are checkpoints, relative to `cwd`; none: names tell. */
  patterns: readonly string[];
  /** Logs by name: files and folders, absolute. */
  logs: readonly string[];
}

export class Scanner {
  /** What was found out about names so far. */
  readonly numbering = new Numbering();
  readonly #options: ScanOptions;
  readonly #globs: readonly { glob: Glob; root: string }[];
  /** Folders in which something was found by a walk. */
  readonly #known = new Set<string>();
  #nextWalk = 0;
  #walked: Scan = { places: [], logs: [] };

  constructor(options: ScanOptions) {
    this.#options = options;
    this.#globs = options.patterns.map((pattern) => {
      const plain = pattern.replace(/^\.\//, '').replace(/\/+$/, '');
      const isAbsolute = path.isAbsolute(plain);
      const whole = isAbsolute ? plain : path.posix.join('.', plain);
      const fixed = whole.split('/');
      const special = fixed.findIndex((part) => /[*?[{]/.test(part));
      const root = fixed.slice(0, special < 0 ? -1 : special).join('/');
      return {
        glob: new Glob(whole, { braces: true }),
        root: isAbsolute && root === '' ? '/' : root,
      };
    });
  }

  /** The command begins. @param known  checkpoints that it wrote before. */
  begin(known: readonly { series: string }[]): void {
    this.numbering.begin();
    for (const { series } of known) {
      if (!series.includes('*')) continue;
      const folder = path.resolve(this.#options.cwd, path.posix.dirname(series));
      this.numbering.know(folder, path.posix.basename(series));
    }
  }

  /** Folders in which changes are worth a look at once. */
  folders(): string[] {
    if (this.#globs.length > 0) {
      return [...new Set(this.#globs.map(({ root }) => path.resolve(this.#options.cwd, root)))];
    }
    return [this.#options.cwd, ...this.#known];
  }

  /** @param whole  walks through all folders even if it is not yet time. */
  async scan(whole = false): Promise<Scan> {
    const found: Scan = { places: [], logs: [] };
    const budget = { entries: ENTRIES_MAX };
    if (this.#globs.length > 0) {
      for (const one of this.#globs) await this.#byGlob(one, found, budget);
      await this.#walkLogs(found, whole);
    } else {
      const isTime = whole || performance.now() >= this.#nextWalk;
      if (isTime) await this.#walk(found);
      else {
        for (const folder of this.#known) {
          await this.#look(folder, found, budget, 1);
        }
        pushAll(found.logs, await again(this.#walked.logs));
      }
    }
    for (const log of this.#options.logs) await this.#namedLog(log, found);
    return unique(found);
  }

  async #walk(found: Scan): Promise<void> {
    const budget = { entries: ENTRIES_MAX };
    await this.#look(this.#options.cwd, found, budget, DEPTH_MAX);
    const { cwd } = this.#options;
    for (const { place, isFolder, files } of found.places) {
      if (!isFolder && files[0]?.inside !== '') this.#known.add(place);
      // What is above the folder in which the command runs is none of its doing.
      if (place !== cwd) this.#known.add(path.dirname(place));
    }
    this.#walked = found;
    const cost = (ENTRIES_MAX - budget.entries) * ENTRY_MS;
    this.#nextWalk = performance.now() + cost / WALK_SHARE;
  }

  async #walkLogs(found: Scan, whole: boolean): Promise<void> {
    if (!whole && performance.now() < this.#nextWalk) {
      pushAll(found.logs, await again(this.#walked.logs));
      return;
    }
    const walked: Scan = { places: [], logs: [] };
    await this.#walk(walked);
    pushAll(found.logs, walked.logs);
  }

  async #byGlob(
    { glob, root }: { glob: Glob; root: string },
    found: Scan,
    budget: { entries: number },
  ): Promise<void> {
    const visit = async (relative: string): Promise<void> => {
      for (const entry of await entriesOf(path.resolve(this.#options.cwd, relative))) {
        if (--budget.entries < 0) return;
        const name = relative === '' ? entry.name : path.posix.join(relative, entry.name);
        const isFolder = entry.isDirectory();
        if (UNFINISHED.test(entry.name)) continue;
        if (glob.matches(name)) await this.#take(name, isFolder, found);
        else if (isFolder && glob.mayMatchBelow(name)) await visit(name);
      }
    };
    await visit(root);
  }

  /** A file or folder that the user says is a checkpoint. */
  async #take(name: string, isFolder: boolean, scan: Scan): Promise<void> {
    const place = path.resolve(this.#options.cwd, name);
    const files = isFolder ? await filesBelow(place) : await fileAt(place, '');
    if (files.length === 0) return;
    const found = numberedName(path.posix.basename(name));
    const series = found === null ? name : path.posix.join(path.posix.dirname(name), found.common);
    const step = found === null ? null : (bestNumber(found)?.value ?? null);
    // The user says what is a checkpoint.
    const named = { series, step, isNumbered: found !== null, isSure: true };
    scan.places.push({ place, ...named, isFolder, files });
  }

  /** What the names in a folder tell. */
  async #look(
    folder: string,
    found: Scan,
    budget: { entries: number },
    depth: number,
  ): Promise<void> {
    const loose: SeenFile[] = [];
    const weights: string[] = [];
    for (const entry of await entriesOf(folder)) {
      if (--budget.entries < 0) return;
      const { name } = entry;
      const file = path.join(folder, name);
      if (entry.isDirectory()) {
        if (PASSED_OVER.test(name)) continue;
        if (!UNFINISHED.test(name) && (await this.#numberedFolder(folder, name, found))) continue;
        if (depth > 1) await this.#look(file, found, budget, depth - 1);
        continue;
      }
      if (!entry.isFile() || UNFINISHED.test(name)) continue;
      const isLog = isFileOfLog(name, false) && name !== TRAINER_STATE;
      const isWeights = WEIGHTS.test(name);
      if (!isLog && !isWeights && roleOfName(name) === null && !/\.index\.json$/.test(name))
        continue;
      const [seen] = await fileAt(file, name);
      if (seen === undefined) continue;
      if (isLog) found.logs.push({ file, stat: seen.stat });
      else {
        if (isWeightsFile(name)) weights.push(name);
        if (!this.#numberedFile(folder, seen, found) && isLoose(name)) loose.push(seen);
      }
    }
    if (loose.some(({ inside }) => isWeightsFile(inside))) {
      this.#loose(folder, { loose, weights }, found);
    }
  }

  #nameOf(file: string): string {
    return path.relative(this.#options.cwd, file).split(path.sep).join('/') || '.';
  }

  /** @returns false if the folder is no checkpoint as a whole. */
  async #numberedFolder(above: string, name: string, found: Scan): Promise<boolean> {
    if (!this.numbering.isLikely(above, name)) return false;
    const place = path.join(above, name);
    const files = await filesBelow(place);
    if (!files.some(({ inside }) => WEIGHTS.test(inside))) return false;
    const insides = files.map(({ inside }) => inside);
    const numbered = this.numbering.folder(above, name, insides.filter(isRightInside));
    if (numbered === null) return false;
    const { common, step, isSure } = numbered;
    const series = path.posix.join(this.#nameOf(above), common);
    found.places.push({ place, series, step, isNumbered: isSure, isSure, isFolder: true, files });
    return true;
  }

  /** @returns false if nothing numbers the file. */
  #numberedFile(folder: string, seen: SeenFile, found: Scan): boolean {
    const name = seen.inside;
    if (!isWeightsFile(name)) return false;
    const numbered = this.numbering.file(folder, name);
    // Data is numbered as well, and has many of the endings.
    if (numbered === null || !(numbered.isTold || LOOSE_WEIGHTS.test(name))) return false;
    const { common, step, isSure } = numbered;
    found.places.push({
      place: seen.file,
      series: path.posix.join(this.#nameOf(folder), common),
      ...{ step, isNumbered: isSure, isSure, isFolder: false },
      files: [{ ...seen, inside: '' }],
    });
    return true;
  }

  /** Files of a folder that nothing numbers. The folder may be the first of several that a number tells apart. */
  #loose(
    folder: string,
    { loose, weights }: { loose: SeenFile[]; weights: readonly string[] },
    found: Scan,
  ): void {
    const [above, name] = [path.dirname(folder), path.basename(folder)];
    const isInside = folder !== this.#options.cwd;
    if (isInside) this.numbering.folder(above, name, weights);
    const isSure = !isInside || !this.numbering.mayNumber(above, name);
    const series = this.#nameOf(folder);
    const named = { series, step: null, isNumbered: false, isSure, isFolder: false };
    found.places.push({ place: folder, ...named, files: loose });
  }

  async #namedLog(log: string, found: Scan): Promise<void> {
    const { kind, stat } = await statThrough(log);
    if (kind === 'file' && stat !== null) found.logs.push({ file: log, stat });
    if (kind !== 'folder') return;
    for (const { inside, file, stat: own } of await filesBelow(log)) {
      if (isFileOfLog(inside, false)) found.logs.push({ file, stat: own });
    }
  }
}

async function again(logs: Scan['logs']): Promise<Scan['logs']> {
  const now: Scan['logs'] = [];
  for (const { file } of logs) {
    const { kind, stat } = await lookAt(file);
    if (kind === 'file' && stat !== null) now.push({ file, stat });
  }
  return now;
}

/** Each place and log once; a state that a trainer keeps in its checkpoint is a log, too. */
function unique({ places, logs }: Scan): Scan {
  const states = places.flatMap(({ files }) =>
    files.filter(({ file }) => path.basename(file) === TRAINER_STATE),
  );
  return {
    places: [...new Map(places.map((one) => [one.place, one])).values()],
    logs: [...new Map([...logs, ...states].map((one) => [one.file, one])).values()],
  };
}
