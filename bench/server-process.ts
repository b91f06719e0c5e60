import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchInstallation } from './installation.ts';

/**
 * Starts a server in its own process, which ends with the installation. Returns the URL of its API.
 * @param script its path; relative ones start in this folder. `bin/tenantry` is run as `npm start` runs it.
 * @param logFile the file for its log; by default the log is discarded
 */
export async function startServer(
  place: BenchInstallation,
  script: string,
  env: Record<string, string> = {},
  logFile?: string,
): Promise<string> {
  const port = await freePort();
  const log = logFile === undefined ? undefined : await open(logFile, 'a');
  // Not in the checkout, because it may contain the developer's .env.
  const file = path.resolve(import.meta.dirname, script);
  const [command, args] = path.extname(file) === '' ? [file, ['serve']] : [process.execPath, [file]];
  const child = spawn(command, args, {
    cwd: place.folder,
    env: { ...place.env, LOG_LEVEL: 'info', ...env, HOST: '127.0.0.1', PORT: String(port) },
    stdio: ['ignore', log?.fd ?? 'ignore', 'inherit'],
  });
  await log?.close();
  place.defer(() => end(child));
  const url = `http://127.0.0.1:${port}`;
  while (!(await answers(`${url}/health/ready`))) {
    if (child.exitCode !== null) throw new Error(`${script} ended with ${child.exitCode}`);
    await sleep(50);
  }
  return `${url}/graphql`;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => undefined);
  return response?.ok ?? false;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (typeof address !== 'object' || !address) throw new Error('Found no free port');
  return address.port;
}
