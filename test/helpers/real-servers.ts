/**
 * Servers written by others, for slow tests: moto_server and versitygw for buckets, nginx for files. They are found in
 * PATH (`.ci/servers` installs them); a test says loudly which of them is missing.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { readAwsSettings } from '../../lib/storage/exchange/transports/s3/aws-profile.js';
import { parseS3Address } from '../../lib/storage/exchange/transports/s3/s3-address.js';
import { S3Client } from '../../lib/storage/exchange/transports/s3/s3-client.js';
import { freePort, listen } from './loopback.js';
import { s3Env } from './s3-server.js';
import { tempDir } from './temp-dir.js';

export type ServerName = 'moto_server' | 'versitygw' | 'nginx';

/** True if a server can be started; else it says so on stderr. */
export function isInstalled(name: ServerName): boolean {
  const flag = name === 'nginx' ? '-v' : '--version';
  const { error } = spawnSync(name, [flag], { stdio: 'ignore', timeout: 60_000 });
  if (error === undefined) return true;
  process.stderr.write(`SKIPPED: ${name} is not installed; '.ci/servers FOLDER' installs it\n`);
  return false;
}

/** A server that runs, and can be killed and started again on the same port. */
export interface RealServer {
  url: string;
  kill(): Promise<void>;
  start(): Promise<void>;
}

async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function serve(
  t: ExecutionContext,
  argv: (port: number) => readonly string[],
  env: Record<string, string>,
): Promise<RealServer> {
  const port = await freePort();
  let child: ChildProcess | null = null;
  const server: RealServer = {
    url: `http://127.0.0.1:${port}`,
    async start() {
      const [command = '', ...rest] = argv(port);
      child = spawn(command, rest, { env: { ...process.env, ...env }, stdio: 'ignore' });
      for (let tries = 0; !(await answers(port)); tries++) {
        if (tries > 600 || child.exitCode !== null) throw new Error(`${command} did not start`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async kill() {
      const running = child;
      child = null;
      if (running === null || running.exitCode !== null) return;
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGKILL');
      await ended;
    },
  };
  await server.start();
  t.teardown(() => server.kill());
  return server;
}

/** Starts a store for S3 with the bucket `models`. @returns also the environment that it is reached with. */
export async function startStore(
  t: ExecutionContext,
  name: 'moto_server' | 'versitygw',
): Promise<RealServer & { env: Record<string, string> }> {
  const dir = await tempDir(t);
  const keys = s3Env('');
  await fs.mkdir(path.join(dir, 'models'));
  const argv = (port: number): string[] =>
    name === 'moto_server'
      ? [name, '-H', '127.0.0.1', '-p', String(port)]
      : [name, '--port', `127.0.0.1:${port}`, 'posix', dir];
  const server = await serve(t, argv, {
    ROOT_ACCESS_KEY: keys.AWS_ACCESS_KEY_ID as string,
    ROOT_SECRET_KEY: keys.AWS_SECRET_ACCESS_KEY as string,
  });
  if (name === 'moto_server') await fetch(`${server.url}/models`, { method: 'PUT' });
  return { ...server, env: s3Env(server.url) };
}

/** Puts an object into a bucket, whatever is there. */
export async function putObject(
  env: Record<string, string>,
  address: string,
  name: string,
  body: Uint8Array,
): Promise<void> {
  const traffic = { requests: 0, receivedBytes: 0, sentBytes: 0 };
  const client = new S3Client(parseS3Address(address), await readAwsSettings(env), {
    traffic,
    env,
  });
  try {
    await client.send({ method: 'PUT', name, body }, async (answer) => {
      if (answer.status !== 200) throw await client.refusal(answer);
      answer.drop();
    });
  } finally {
    client.close();
  }
}

/** Serves a folder by nginx. */
export async function startNginx(t: ExecutionContext, root: string): Promise<RealServer> {
  const dir = await tempDir(t);
  const file = path.join(dir, 'nginx.conf');
  return serve(
    t,
    (port) => {
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
      const config = [
        // As root, nginx would serve as somebody who may not read a folder of the test's.
        ...(process.getuid?.() === 0 ? ['user root;'] : []),
        'daemon off; master_process off; worker_processes 1;',
        `pid ${dir}/pid; error_log ${dir}/error.log;`,
        'events { worker_connections 256; }',
        `http { access_log off; ${temp.map((one) => `${one}_temp_path ${dir}/${one};`).join(' ')}`,
        `server { listen 127.0.0.1:${port}; root ${root}; } }`,
      ];
      writeFileSync(file, config.join('\n'));
      return ['nginx', '-p', dir, '-c', file];
    },
    {},
  );
}

/** A line to a server that counts bytes, and can be told to break off connections after some. */
export interface CountedLine {
  url: string;
  received: number;
  sent: number;
  /** Bytes after which a connection breaks off, asked for each; Infinity: it stays. */
  breakAfter(): number;
}

export async function countedLine(t: ExecutionContext, target: string): Promise<CountedLine> {
  const { port, hostname } = new URL(target);
  const line: CountedLine = {
    url: '',
    received: 0,
    sent: 0,
    breakAfter: () => Number.POSITIVE_INFINITY,
  };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const onward = net.connect(Number(port), hostname);
    let left = line.breakAfter();
    const pass = (from: net.Socket, to: net.Socket, count: (bytes: number) => void): void => {
      from.on('data', (piece: Buffer) => {
        left -= piece.length;
        if (left < 0) {
          socket.destroy();
          onward.destroy();
          return;
        }
        count(piece.length);
        if (!to.write(piece)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    };
    sockets.add(socket).add(onward);
    pass(socket, onward, (bytes) => {
      line.received += bytes;
    });
    pass(onward, socket, (bytes) => {
      line.sent += bytes;
    });
  });
  const here = await listen(server);
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  line.url = `http://127.0.0.1:${here}`;
  return line;
}
