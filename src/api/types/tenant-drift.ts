import pLimit from 'p-limit';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { readDrift } from '../../tenants/drift.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';

/** How many tenants of one response are compared at once. */
const AT_ONCE = 4;

const TenantDriftRef = builder.objectRef<readonly string[]>('TenantDrift').implement({
  description: "How a tenant's tables differ from the modules' entities.",
  fields: (t) => ({
    isClean: t.boolean({ resolve: (sql) => sql.length === 0 }),
    sql: t.stringList({
      maxItems: MAX_TEXTS,
      description:
        'Statements that would make the tables match the entities, in order; empty if there is no drift. They may drop what the entities do not define: review them before running them.',
      resolve: (sql) => sql,
    }),
  }),
});

builder.objectField(Tenant, 'drift', (t) =>
  t.loadable({
    type: TenantDriftRef,
    nullable: true,
    // It reads the whole system catalog of a tenant's database, on its own connection.
    cost: 100,
    description:
      "How the tenant's tables differ from the modules' entities. It opens a connection to each tenant. Functions, privileges and migration_history are not compared, nor are views, triggers, policies, comments and exclusion constraints that no entity declares. Null, with an error, for a tenant that cannot be compared.",
    authScopes: { platformAdmin: true },
    load: (tenants: Tenant[], { services: { servers, tables } }) => {
      const limit = pLimit(AT_ONCE);
      const options = { servers, tables: tables.TENANT };
      return Promise.all(tenants.map((tenant) => limit(() => readDrift(options, tenant).catch(asError))));
    },
    resolve: (tenant) => tenant,
  }),
);

/** A DataLoader takes errors as values, so one tenant that cannot be compared does not affect the others. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
