/** Golden files as pages of docs/format show them. */
import fs from 'node:fs';
import path from 'node:path';
import { PROJECT_ROOT } from './paths.js';

/** A page of docs/format. */
export function page(name: string): string {
  return fs.readFileSync(path.join(PROJECT_ROOT, 'docs', 'format', name), 'utf8');
}

/** Sixteen bytes a line: offset, hex digits, printable characters. */
export function hexdump(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const shown = Buffer.from(row)
      .toString('latin1')
      .replace(/[^ -~]/g, '.');
    text += `${`${at.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${shown}`.trimEnd()}\n`;
  }
  return text;
}
