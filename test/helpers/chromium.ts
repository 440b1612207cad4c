/** A real browser for tests of dlv ui: the Chromium of this machine, driven by playwright-core. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import type { ExecutionContext } from 'ava';
import { type Browser, chromium } from 'playwright-core';
import { DLV_BIN } from './dlv.js';
import { NO_SETTINGS } from './paths.js';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser's program: DLV_CHROMIUM, or where systems have it; null if there is none. */
export function findChromium(): string | null {
  const named = process.env.DLV_CHROMIUM;
  return (
    [...(named === undefined ? [] : [named]), ...PLACES].find((file) => fs.existsSync(file)) ?? null
  );
}

/** Starts the browser. Tests run as root too, where its own sandbox does not work. */
export function launch(program: string): Promise<Browser> {
  return chromium.launch({ executablePath: program, args: ['--no-sandbox'] });
}

/** `dlv ui` in a folder, as a process. @returns the address that it prints. */
export async function serveUi(t: ExecutionContext, cwd: string): Promise<string> {
  const child: ChildProcess = spawn(
    process.execPath,
    [DLV_BIN, 'ui', '--json', '--no-open', '--idle-exit', '60'],
    {
      cwd,
      env: { ...process.env, DLV_CONFIG: NO_SETTINGS },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => child.kill('SIGINT'));
  let text = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += String(chunk);
    if (text.includes('}')) break;
  }
  return (JSON.parse(text) as { address: string }).address;
}
