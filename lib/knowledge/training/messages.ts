/** What a trainer says: one JSON object a line on its standard output. @see docs/format/trainers.md */

/** How a trainer ended. */
export type EndState = 'done' | 'failed' | 'nan' | 'stopped';

/** One line. */
export type Message =
  /** First of all: who trains, and what. */
  | { event: 'start'; trainer: string; parameters: number; examples: number }
  /** `time`: seconds since the start. Numbers that are not finite are null. */
  | { event: 'metrics'; iteration: number; time: number; values: Record<string, number | null> }
  /** A checkpoint is whole on the disk. */
  | { event: 'checkpoint'; iteration: number; file: string }
  /** Last of all. */
  | { event: 'end'; state: EndState; iteration: number; time: number; message?: string };
