import { execFile } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { BenchInstallation } from './installation.ts';

const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** What is measured beside us, and what its server needs. */
const dependencies = { postgraphile: '5.1.5', graphql: '16.15.0', jose: '6.2.17', pg: '8.23.1' };

/**
 * Installs PostGraphile with npm into a folder of the installation. Returns the script that serves it.
 * @throws {Error} npm's error, for example if it reaches no registry
 */
export async function installPeer(place: BenchInstallation): Promise<string> {
  const folder = path.join(place.folder, 'peer');
  await mkdir(folder);
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
  const options = ['install', '--no-audit', '--no-fund', '--loglevel=error'];
  await promisify(execFile)('npm', options, { cwd: folder, timeout: INSTALL_TIMEOUT_MS });
  const script = path.join(folder, 'server.mjs');
  await copyFile(path.join(import.meta.dirname, 'peers-server.mjs'), script);
  return script;
}
