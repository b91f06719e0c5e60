import pLimit from 'p-limit';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { readDrift } from '../../tenants/drift.ts';
import { builder } from '../builder.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';

/** How many tenants of one answer are compared at once. */
const AT_ONCE = 4;

const TenantDriftRef = builder.objectRef<readonly string[]>('TenantDrift').implement({
  description: "How a tenant's tables differ from what the modules' entities say.",
  fields: (t) => ({
    isClean: t.boolean({ resolve: (sql) => sql.length === 0 }),
    sql: t.stringList({
      maxItems: MAX_TEXTS,
      description:
        'Statements that would make the tables what the entities say, in order; none if there is no drift. They may drop what entities do not have: read them before sending them.',
      resolve: (sql) => sql,
    }),
  }),
});

builder.objectField(Tenant, 'drift', (t) =>
  t.loadable({
    type: TenantDriftRef,
    nullable: true,
    // It reads the whole catalog of a tenant's database, on a connection of its own.
    cost: 100,
    description:
      "How its tables differ from the modules' entities. Each tenant that is asked for this is connected to. Functions, rights and migration_history are not compared. Null, with an error, for a tenant that cannot be compared.",
    authScopes: { platformAdmin: true },
    load: (tenants: Tenant[], { services: { servers, tables } }) => {
      const limit = pLimit(AT_ONCE);
      const options = { servers, tables: tables.TENANT };
      return Promise.all(tenants.map((tenant) => limit(() => readDrift(options, tenant).catch(asError))));
    },
    resolve: (tenant) => tenant,
  }),
);

/** A dataloader takes errors as values: one tenant that cannot be compared leaves the others be. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
