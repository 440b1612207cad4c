/** Flags that every command has, and values of flags that may be given several times. */
import { type Command, Option } from 'commander';

/** Flags that every command takes, before or after its name. */
export interface Globals {
  /** -C folders, in order; each is taken from the one before. */
  folders: string[];
  json: boolean;
  quiet: boolean;
  progress: boolean;
  verbose: boolean;
  /** False: nothing that a remote promised is fetched. */
  fetch: boolean;
}

/** Collects the values of an option that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Heading of the flags that every command has. */
export const GLOBAL_OPTIONS = 'Global options:';

/** Adds the flags that every command has; they are listed after its own. */
export function addGlobalOptions(command: Command): void {
  const options = [
    new Option('-C <dir>', 'run as if started in <dir>').argParser(collect),
    new Option('--json', 'print one JSON document on stdout and nothing else'),
    new Option('-q, --quiet', 'print no notes, and no report of what was done'),
    new Option('--no-progress', 'no progress bar'),
    new Option('--no-fetch', 'in a partial clone: fail rather than fetch what is missing'),
    new Option('--verbose', 'also print details of packs, extents and planes'),
  ];
  const own = new Set(command.options.map(({ long }) => long));
  for (const option of options) {
    // Some commands have a flag of this name, which says more in their own way.
    if (!own.has(option.long)) command.addOption(option.helpGroup(GLOBAL_OPTIONS));
  }
  const help = new Option('-h, --help', 'show this help');
  command.addHelpOption(help.helpGroup(GLOBAL_OPTIONS));
}

/** The flags of a command and of all above it, together. */
export function readGlobals(command: Command): Globals {
  const globals: Globals = {
    folders: [],
    json: false,
    quiet: false,
    progress: true,
    verbose: false,
    fetch: true,
  };
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const { C, json, quiet, progress, verbose, fetch } = at.opts<Record<string, unknown>>();
    globals.folders.unshift(...((C as string[] | undefined) ?? []));
    globals.json ||= json === true;
    globals.quiet ||= quiet === true;
    globals.progress &&= progress !== false;
    globals.verbose ||= verbose === true;
    globals.fetch &&= fetch !== false;
  }
  return globals;
}
