import { randomUUID } from 'node:crypto';
import { readlink, symlink, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, isRunning, ownProcess } from './processes.ts';

/**
 * Runs `action` while holding a lock that excludes other processes and other calls in this one.
 *
 * The lock is a symbolic link whose target names the holder. It is created atomically, so a lock always has a holder, and
 * the lock of a killed holder is detected and broken. Throws if a live holder keeps it for over three minutes, or when
 * `signal` is aborted.
 */
export async function withLock<T>(
  path: string,
  onLog: (line: string) => void,
  action: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const own = await ownProcess();
  const mark = [own.pid, own.started, randomUUID()].join('|');
  const deadline = Date.now() + 180_000;
  for (let reported = false; !(await tryLink(mark, path)); ) {
    signal?.throwIfAborted();
    const holder = await readlink(path).catch(() => undefined);
    if (holder === undefined) continue;
    if (!(await isHeld(holder))) {
      await breakLock(path, holder, mark);
      continue;
    }
    if (Date.now() > deadline)
      throw new Error(
        `Process ${holder.split('|')[0]} has held ${path} for three minutes. End that process, then try again.`,
      );
    if (!reported) onLog(`waiting for process ${holder.split('|')[0]}, which is starting or stopping PostgreSQL`);
    reported = true;
    await sleep(50);
  }
  try {
    return await action();
  } finally {
    await unlink(path).catch(() => {});
  }
}

async function tryLink(mark: string, path: string): Promise<boolean> {
  try {
    await symlink(mark, path);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    // If the path is not a link, waiting for it would never end.
    const isLink = await readlink(path).then(
      () => true,
      (failure: unknown) => errorCode(failure) !== 'EINVAL',
    );
    if (!isLink) throw new Error(`${path} is not a lock. Remove it and try again.`, { cause: error });
    return false;
  }
}

function isHeld(mark: string): Promise<boolean> {
  const [pid, started] = mark.split('|');
  return isRunning({ pid: Number(pid), started: started ?? '' });
}

// If two processes see the same stale lock, the second must not remove the lock that the first has just acquired. So only
// one process at a time may check again and remove it.
async function breakLock(path: string, stale: string, mark: string): Promise<void> {
  const guard = `${path}.break`;
  if (!(await tryLink(mark, guard))) {
    const breaker = await readlink(guard).catch(() => undefined);
    if (breaker !== undefined && !(await isHeld(breaker))) await unlink(guard).catch(() => {});
    await sleep(10);
    return;
  }
  try {
    if ((await readlink(path).catch(() => undefined)) === stale) await unlink(path);
  } finally {
    await unlink(guard).catch(() => {});
  }
}
