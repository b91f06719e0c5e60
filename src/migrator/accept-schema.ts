import { FIRST_SERVER } from '../catalog/database-server.entity.ts';
import { badInput } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import type { Services } from '../services.ts';
import { type AcceptOptions, acceptInSystemDatabase, acceptInTenants } from './accept-hash.ts';
import type { Acceptance } from './accepted-hashes.ts';
import { MigrationRecordRef, type ShownRecord } from './history-schema.ts';
import { folderOf, MigrationScopeRef } from './plan-schema.ts';

builder.mutationField('acceptMigrationHash', (t) =>
  t.field({
    type: [MigrationRecordRef],
    description:
      "A migration's file has been changed on purpose: its new hash is accepted in a tenant, in the whole fleet, or in AUTH or CONSTANTS, so that runs go on. Who did it and both hashes are recorded. A tenant for which it failed has an error, and is tried again by the next call.",
    authScopes: { platformAdmin: true },
    args: {
      tenant: t.arg.id({ description: 'Its id or slug; by default the whole fleet.' }),
      scope: t.arg({ type: MigrationScopeRef, description: 'By default TENANT.' }),
      migration: t.arg.string({ required: true, description: 'Its name.' }),
    },
    resolve: async (_root, { tenant, scope, migration }, context) => {
      const { services, identity, log } = context;
      const acceptedBy = identity?.email ?? identity?.subject ?? 'a platform admin';
      const request = { scope: scope ?? 'TENANT', migration, tenant: tenant ?? undefined, acceptedBy };
      return (await acceptChangedFile({ ...services, log }, request)).map(shown);
    },
  }),
);

/** Which changed file is accepted, where, and by whom. */
export interface AcceptRequest {
  readonly scope: ShownRecord['scope'];
  readonly migration: string;
  /** Its id or slug; without it the whole fleet. */
  readonly tenant?: string | undefined;
  readonly acceptedBy: string;
}

/**
 * Accepts that a migration's file has been changed.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND, CONFLICT
 */
export async function acceptChangedFile(
  services: Services,
  { scope, migration, tenant, acceptedBy }: AcceptRequest,
): Promise<readonly Acceptance[]> {
  const { catalog, servers, config, log } = services;
  const options: AcceptOptions = {
    catalog,
    servers,
    files: await folderOf(services, scope).read(),
    acceptedBy,
    concurrency: config.migrations.concurrency,
    log,
  };
  if (scope === 'TENANT') return acceptInTenants(options, migration, tenant);
  if (tenant !== undefined) throw badInput('scope', `A tenant's history has no migrations of ${scope}`);
  const database = scope === 'AUTH' ? config.databases.auth : config.databases.constants;
  return acceptInSystemDatabase(options, migration, { scope, server: FIRST_SERVER, database });
}

function shown({ tenant, file, previousHash, acceptedBy, acceptedAt, durationMs, error }: Acceptance): ShownRecord {
  const { scope, name, hash } = file;
  const none = { run: null, checkpoint: null, deletedTenant: null };
  return {
    tenant,
    scope,
    name,
    hash,
    status: 'APPLIED',
    ...none,
    appliedAt: acceptedAt,
    durationMs,
    error,
    previousHash,
    acceptedBy,
  };
}
