import { existingCluster } from '../../src/postgres/embedded/cluster.ts';
import { findPostmaster, isRunning } from '../../src/postgres/embedded/processes.ts';
import { eventually } from './eventually.ts';

/**
 * Ends the embedded PostgreSQL of a folder, if it runs, as a crash does: at once, without telling anyone. It is what
 * `pg_ctl stop -m immediate` does. Nothing is written, so it is cheaper than a stop where nobody needs the data.
 */
export async function endPostgres(dataDir: string): Promise<void> {
  const cluster = await existingCluster(dataDir);
  const postmaster = cluster && (await findPostmaster(cluster));
  if (!postmaster) return;
  process.kill(postmaster.pid, 'SIGQUIT');
  await eventually('PostgreSQL ends', async () => !(await isRunning(postmaster)));
}
