import { MigrationState } from '../../catalog/entities/migration-state.entity.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { behindByState } from '../../fleet/tenant-states.ts';
import { builder } from '../builder.ts';

builder.objectFields(Tenant, (t) => ({
  lastMigratedAt: t.field({
    type: 'DateTime',
    nullable: true,
    description:
      "When the tenant's list of migrations last changed, according to the catalog. Null if it has none. For platform admins.",
    authScopes: { platformAdmin: true },
    resolve: ({ lastMigratedAt }) => lastMigratedAt ?? null,
  }),
  version: t.loadable({
    type: 'String',
    nullable: true,
    description: 'The last migration applied to the tenant, according to the catalog. For platform admins.',
    authScopes: { platformAdmin: true },
    load: async (ids: string[], { services }) => {
      const states = await services.catalog.fork().find(MigrationState, { id: ids });
      const versions = new Map(states.map(({ id, version }) => [id, version ?? null]));
      return ids.map((id) => versions.get(id) ?? null);
    },
    resolve: (tenant) => stateOf(tenant),
  }),
  behind: t.loadable({
    type: 'Int',
    description: 'How many migrations the tenant is missing. For platform admins.',
    authScopes: { platformAdmin: true },
    load: async (ids: string[], { services }) => {
      const files = await services.migrations.tenant.read();
      const behind = await behindByState(services.catalog, files);
      return ids.map((id) => behind.get(id) ?? files.length);
    },
    resolve: (tenant) => stateOf(tenant),
  }),
}));

/** A tenant whose migrations are unknown has no state; the empty string is not the id of any state. */
function stateOf({ migrationState }: Tenant): string {
  return migrationState?.id ?? '';
}
