import type pg from 'pg';
import { includesStatus } from '../catalog/steps.ts';
import { settledStatuses } from '../catalog/tenant-status.ts';
import { messageOf } from '../lib/errors.ts';
import { historyTable } from '../migrator/files/history.ts';
import { readCluster } from '../postgres/citus/cluster.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { tenantRole } from '../routing/placement.ts';
import { problemsOf } from '../servers/citus/problems.ts';
import { countOpenWorkers, forbidOnWorkersSql, loginProblem } from '../servers/citus/workers.ts';
import { howToFix, type Leftover } from './leftover.ts';

interface SchemaTenant {
  readonly key: string;
  readonly slug: string;
  readonly schema: string;
  readonly isolation: string;
  readonly status: string;
}

/** Finds what a server's Citus cluster lacks, if the shared database has the extension. */
export async function findClusterProblems(
  server: PostgresServer,
  tenants: readonly SchemaTenant[],
  shared: string,
): Promise<readonly Leftover[]> {
  const settled = tenants.filter(
    ({ isolation, status }) => isolation === 'SCHEMA' && includesStatus(settledStatuses, status),
  );
  // A database that cannot be looked into is reported elsewhere.
  return server.owner(shared, (client) => look(client, server.name, shared, settled[0])).catch(() => []);
}

async function look(
  client: pg.Client,
  server: string,
  shared: string,
  tenant: SchemaTenant | undefined,
): Promise<readonly Leftover[]> {
  const cluster = await readCluster(client);
  if (!cluster) return [];
  const found: Leftover[] = [...problemsOf(cluster, server, shared)];
  try {
    const open = await countOpenWorkers(client);
    if (open > 0) {
      found.push({
        message: `On ${open} workers of Citus on the server ${server}, tenants' SQL may call functions that should be revoked`,
        remedy: howToFix,
        fix: { server, databases: [shared], sql: forbidOnWorkersSql },
      });
    }
  } catch (error) {
    found.push({
      message: `The workers of Citus on the server ${server} cannot be inspected: ${messageOf(error)}`,
      remedy: 'Fix what Citus reports, then run tenantry doctor again',
    });
  }
  // The coordinator connects to the workers as the tenants' roles, in the same way for all of them.
  const problem = tenant && (await loginProblem(client, tenantRole(tenant.key), historyOf(tenant)));
  if (problem !== undefined) {
    found.push({
      message: `The coordinator of Citus on the server ${server} cannot read the tables of the tenant ${tenant?.slug} as its role: ${problem}`,
      remedy: `Let the coordinator log in to the workers as the tenants' roles without a password, in their pg_hba.conf; see docs/citus.md`,
    });
  }
  return found;
}

function historyOf({ schema }: SchemaTenant): string {
  return `${quoteIdentifier(schema)}.${historyTable}`;
}
