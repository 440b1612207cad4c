/** What fetch, pull, push and clone did, in lines. */
import type { FetchReport } from '../../use/tracking/fetch-refs.js';
import { exampleId, shortId } from './render.js';
import { formatTable } from './table.js';
import { formatBytes, formatCount, type Ui } from './ui.js';

/** A ref that moved, here or there. */
export interface MovedRef {
  kind: 'branch' | 'tag';
  name: string;
  before: string | null;
  after: string | null;
  status: string;
  reason: string | null;
}

/** In the examples of the documentation. */
export const EXAMPLE_MOVE = {
  kind: 'branch',
  name: 'mnist/main',
  before: exampleId('7d1b64f0aa'),
  after: exampleId('9c1f0e6f0b'),
  status: 'updated',
  reason: null,
} as const;

const MARKS: Readonly<Record<string, string>> = {
  new: '*',
  updated: ' ',
  forced: '+',
  same: '=',
  pruned: '-',
  deleted: '-',
  rejected: '!',
  kept: '!',
};

/**
 * The refs that moved or were refused, one a line: `* [new branch] mnist/main 9c1f0e6f0b`. With --quiet, only those that
 * were refused, and why.
 */
export function printRefs(ui: Ui, refs: readonly MovedRef[], isVerbose: boolean): void {
  const isShown = (status: string): boolean =>
    ui.quiet ? status === 'rejected' : isVerbose || status !== 'same';
  const shown = refs.filter(({ status }) => isShown(status));
  const rows = shown.map(({ kind, name, before, after, status }) => {
    const ends = [before, after].filter((id) => id !== null).map((id) => shortId(id as string));
    const what = status === 'new' ? `[new ${kind}]` : `[${status}]`;
    const style = status === 'rejected' ? ui.style.red : (text: string) => text;
    return [MARKS[status] ?? ' ', { text: what, style }, name, ends.join('..')];
  });
  for (const line of formatTable([{}, {}, {}, {}], rows)) ui.line(line.trimEnd());
  for (const { name, status, reason } of shown) {
    if (status === 'rejected') (ui.quiet ? ui.line : ui.note)(`'${name}' was not taken: ${reason}`);
    if (status === 'kept') ui.note(`'${name}' stays as it is: ${reason}`);
  }
}

/** `3 versions, 12.4 MiB`. */
export function versionsAndBytes({ versions, bytes }: { versions: number; bytes: number }): string {
  return `${formatCount(versions, 'version')}, ${formatBytes(bytes)}`;
}

/** What crossed the line. */
export function printTraffic(
  ui: Ui,
  report: Omit<FetchReport, 'refs' | 'versions' | 'bytes'>,
): void {
  const { requests, receivedBytes, sentBytes, resumedBytes } = report;
  const resumed = resumedBytes > 0 ? `, ${formatBytes(resumedBytes)} of an earlier run kept` : '';
  ui.note(
    `${formatCount(requests, 'request')}, ${formatBytes(receivedBytes)} received, ` +
      `${formatBytes(sentBytes)} sent${resumed}`,
  );
}
