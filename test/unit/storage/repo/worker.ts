/**
 * Other processes for tests of locks and races: `startWorker` starts this file as a program.
 *
 *     chain <dir> <name> <n>   move refs/heads/mnist/main n times, each from where it stands
 *     hold <dir>               take the lock, print 'held', keep it until stdin ends
 *     read <dir> <generation>  register as a reader, print 'held', stay until stdin ends
 *     count <dir> <n>          add one to the file `count` n times, under the lock
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { objectId } from '../../../../lib/base/bytes/hash.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { withLock } from '../../../../lib/storage/repo/processes/lock.js';
import { registerReader } from '../../../../lib/storage/repo/processes/readers.js';
import { readRef, updateRef } from '../../../../lib/storage/repo/refs/refs.js';

/** This file, compiled. */
export const WORKER_FILE = fileURLToPath(import.meta.url);

/** A started worker. */
export interface Worker {
  pid: number;
  /** Resolves when it printed 'held'. */
  held: Promise<void>;
  /** Ends it at once, as kill -9 does. */
  kill(): void;
  /** Lets a holding worker go on and end. */
  release(): void;
  ended: Promise<{ code: number | null; stderr: string }>;
}

/** Starts a worker in its own process. */
export function startWorker(...args: string[]): Worker {
  const child = spawn(process.execPath, [WORKER_FILE, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  child.stdin.on('error', () => {});
  const held = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('held')) resolve();
    });
    child.once('close', () => reject(new Error(`worker ended early: ${stderr}`)));
  });
  held.catch(() => {});
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stderr }));
  });
  return {
    pid: child.pid as number,
    held,
    kill: () => child.kill('SIGKILL'),
    release: () => child.stdin.end(),
    ended,
  };
}

async function untilInputEnds(): Promise<void> {
  process.stdout.write('held\n');
  for await (const _ of process.stdin);
}

async function main([verb, dir = '', first = '', second = '']: string[]): Promise<void> {
  const layout = new Layout(dir);
  const options = { timeoutMs: 60_000, command: `worker ${verb}` };
  if (verb === 'hold') await withLock(layout, untilInputEnds, options);
  if (verb === 'read') {
    const registration = await registerReader(layout, Number(first));
    await untilInputEnds();
    await registration.close();
  }
  if (verb === 'chain') {
    const name = 'refs/heads/mnist/main';
    for (let i = 0; i < Number(second); ) {
      const before = await readRef(layout, name);
      const after = objectId('blob', Buffer.from(`${first} ${i}`));
      const why = { who: first, time: i, reason: 'chain' };
      try {
        await withLock(layout, (lock) => updateRef(lock, { name, before, after, why }), options);
        i++;
      } catch (error) {
        if ((error as { code?: string }).code !== 'DLV_CONFLICT') throw error;
      }
    }
  }
  if (verb === 'count') {
    const file = path.join(dir, 'count');
    for (let i = 0; i < Number(first); i++) {
      await withLock(
        layout,
        async () => {
          const count = Number(await fs.readFile(file, 'utf8'));
          await fs.writeFile(file, String(count + 1));
        },
        options,
      );
    }
  }
}

if (process.argv[1] === WORKER_FILE) await main(process.argv.slice(2));
