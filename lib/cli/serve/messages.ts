/** What the server and its threads tell each other. */

/** What a command answered. */
export interface Answer {
  /** Exit code. */
  code: number;
  /** The JSON document. */
  text: string;
  /** Warnings; a document that is no list has them itself, too. */
  warnings: string[];
}

/** What a thread is told: to run a command line, or to stop doing so. */
export type Order = { id: number; argv: readonly string[] } | { abort: number };

/** What it says. */
export interface Report extends Answer {
  id: number;
}
