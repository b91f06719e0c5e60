import { builder } from '../graphql/builder.ts';
import { acceptChangedFile } from './accept-changed-file.ts';
import type { Acceptance } from './accepted-hashes.ts';
import { MigrationRecordRef } from './history-schema.ts';
import { MigrationScopeRef } from './plan-schema.ts';
import type { ShownRecord } from './read-history.ts';

builder.mutationField('acceptMigrationHash', (t) =>
  t.field({
    type: [MigrationRecordRef],
    description:
      "A migration's file has been changed on purpose: its new hash is accepted in a tenant, in the whole fleet, or in AUTH or CONSTANTS, so that runs go on. Who did it and both hashes are recorded. A tenant for which it failed has an error, and is tried again by the next call.",
    authScopes: { platformAdmin: true },
    args: {
      tenant: t.arg.id({ description: 'Its id or slug; by default the whole fleet.' }),
      scope: t.arg({ type: MigrationScopeRef, description: 'By default TENANT.' }),
      migration: t.arg.string({ required: true, maxLength: 255, description: 'Its name.' }),
    },
    resolve: async (_root, { tenant, scope, migration }, context) => {
      const { services, identity, log } = context;
      const acceptedBy = identity?.email ?? identity?.subject ?? 'a platform admin';
      const request = { scope: scope ?? 'TENANT', migration, tenant: tenant ?? undefined, acceptedBy };
      return (await acceptChangedFile({ ...services, log }, request)).map(shown);
    },
  }),
);

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
