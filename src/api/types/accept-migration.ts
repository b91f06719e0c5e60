import { acceptChangedFile } from '../../fleet/accept-changed-file.ts';
import type { Acceptance } from '../../fleet/accept-hash-store.ts';
import type { ShownRecord } from '../../fleet/history.ts';
import { kindOfFile } from '../../migrator/files/migration-file.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { pageSize } from '../list-page.ts';
import { MigrationRecordRef } from './migration-history.ts';
import { MigrationScopeRef } from './migration-plan.ts';

builder.mutationField('acceptMigrationHash', (t) =>
  t.field({
    type: [MigrationRecordRef],
    description:
      "Accepts a migration file that was changed on purpose: stores its new hash for one tenant, for the whole fleet, or for AUTH or CONSTANTS, so that runs can continue. The caller and both hashes are recorded. If it fails for a tenant, the tenant's record has an error, and the next call retries it. If there are more records than fit, failed ones are returned first.",
    maxItems: MAX_PAGE,
    authScopes: { platformAdmin: true },
    args: {
      tenant: t.arg.id({ description: 'Its id or slug; by default the whole fleet.' }),
      scope: t.arg({ type: MigrationScopeRef, description: 'By default TENANT.' }),
      migration: t.arg.string({ required: true, maxLength: 255, description: 'Its name.' }),
      first: t.arg.int({
        defaultValue: MAX_PAGE,
        description: `How many records to return, from 1 to ${MAX_PAGE}.`,
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
    kind: kindOfFile(file),
    status: 'APPLIED',
    ...none,
    appliedAt: acceptedAt,
    durationMs,
    error,
    previousHash,
    acceptedBy,
  };
}
