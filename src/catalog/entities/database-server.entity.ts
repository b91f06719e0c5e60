import { defineEntity, p } from '@mikro-orm/core';

/** The name of the server that the settings tell; it has `auth` and `constants`. */
export const FIRST_SERVER = 'default';

/** The table `servers`: the PostgreSQL servers that hold tenants. */
export const DatabaseServerSchema = defineEntity({
  name: 'DatabaseServer',
  tableName: 'servers',
  properties: {
    name: p.text().primary(),
    /** Where it is, sealed; null for the first one. It is not loaded with the rest: only the registry of servers opens it. */
    url: p.text().nullable().lazy().hidden(),
    acceptsTenants: p.boolean().default(true),
    /** Null: the budget of the settings. */
    connectionBudget: p.integer().nullable(),
    /** What PostgreSQL calls itself; null for the first one. */
    systemIdentifier: p.text().nullable().unique(),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A PostgreSQL server that can hold tenants. */
export class DatabaseServer extends DatabaseServerSchema.class {}

DatabaseServerSchema.setClass(DatabaseServer);
