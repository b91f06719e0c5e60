import { defineEntity, p } from '@mikro-orm/core';

/** The name of the server of the settings. It has `auth` and `constants`. */
export const FIRST_SERVER = 'default';

/** The table `servers`: the PostgreSQL servers that hold tenants. */
export const DatabaseServerSchema = defineEntity({
  name: 'DatabaseServer',
  tableName: 'servers',
  properties: {
    name: p.text().primary(),
    /** The encrypted URL; null for the first server. Loaded lazily, because only the registry of servers decrypts it. */
    url: p.text().nullable().lazy().hidden(),
    /** The encrypted URL of the pooler for tenants' requests; null if they connect directly. Loaded lazily like the URL. */
    poolerUrl: p.text().nullable().lazy().hidden(),
    acceptsTenants: p.boolean().default(true),
    /** Null: the budget of the settings. */
    connectionBudget: p.integer().nullable(),
    /** PostgreSQL's system identifier; null for the first server. */
    systemIdentifier: p.text().nullable().unique(),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A PostgreSQL server that can hold tenants. */
export class DatabaseServer extends DatabaseServerSchema.class {}

DatabaseServerSchema.setClass(DatabaseServer);
