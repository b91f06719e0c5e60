import { accessSync, chmodSync, constants, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import path from 'node:path';

const MEMORY = '/dev/shm';
const PREFIX = 'tenantry-tests-';

/** What a run of all tests needs at most is less, in bytes. */
const ENOUGH = 4 * 1024 ** 3;

/**
 * Makes a folder in memory for the temporary files of this run, which goes with this process. There PostgreSQL creates a
 * database with a third of the CPU time that it takes on a disk. Undefined if the system has no room for it.
 */
export function makeMemoryFolder(): string | undefined {
  if (!hasRoom()) return undefined;
  for (const name of readdirSync(MEMORY).filter((other) => other.startsWith(PREFIX))) {
    const pid = Number(name.split('-')[2]);
    if (!isAlive(pid)) rmSync(path.join(MEMORY, name), { recursive: true, force: true });
  }
  const folder = mkdtempSync(path.join(MEMORY, `${PREFIX}${process.pid}-`));
  // Where root runs the tests, PostgreSQL is another user.
  chmodSync(folder, 0o755);
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function hasRoom(): boolean {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return Math.min(bavail * bsize, freemem()) > ENOUGH;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
