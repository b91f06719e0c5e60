import { acceptChangedFile } from '../../fleet/accept-changed-file.ts';
import type { Acceptance } from '../../fleet/accept-hash-store.ts';
import type { ShownRecord } from '../../fleet/history.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { pageSize } from '../list-page.ts';
import { MigrationRecordRef } from './migration-history.ts';
import { MigrationScopeRef } from './migration-plan.ts';

builder.mutationField('acceptMigrationHash', (t) =>
  t.field({
    type: [MigrationRecordRef],
    description:
      "A migration's file has been changed on purpose: its new hash is accepted in a tenant, in the whole fleet, or in AUTH or CONSTANTS, so that runs go on. Who did it and both hashes are recorded. A tenant for which it failed has an error, and is tried again by the next call. Of many tenants, those for which it failed are answered first.",
    maxItems: MAX_PAGE,
    authScopes: { platformAdmin: true },
    args: {
      tenant: t.arg.id({ description: 'Its id or slug; by default the whole fleet.' }),
      scope: t.arg({ type: MigrationScopeRef, description: 'By default TENANT.' }),
      migration: t.arg.string({ required: true, maxLength: 255, description: 'Its name.' }),
      first: t.arg.int({
        defaultValue: MAX_PAGE,
        description: `How many records are answered, from 1 to ${MAX_PAGE}.`,
      }),
    },
    resolve: async (_root, { tenant, scope, migration, first }, context) => {
      const size = pageSize({ first });
      const { services, identity, log } = context;
      const acceptedBy = identity?.email ?? identity?.subject ?? 'a platform admin';
      const request = { scope: scope ?? 'TENANT', migration, tenant: tenant ?? undefined, acceptedBy };
      const all = await acceptChangedFile({ ...services, log }, request);
      const failedFirst = () => all.toSorted((a, b) => Number(a.error === null) - Number(b.error === null));
      return (all.length > size ? failedFirst().slice(0, size) : all).map(shown);
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
