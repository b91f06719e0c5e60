import { defineEntity, p } from '@mikro-orm/core';

/** The table `servers`: the PostgreSQL servers that hold tenants. */
export const DatabaseServerSchema = defineEntity({
  name: 'DatabaseServer',
  tableName: 'servers',
  properties: {
    name: p.text().primary(),
    /** Where it is; null for `default`, which the settings tell. */
    url: p.text().nullable(),
    acceptsTenants: p.boolean().default(true),
    /** Null: the budget of the settings. */
    connectionBudget: p.integer().nullable(),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A PostgreSQL server that can hold tenants. */
export class DatabaseServer extends DatabaseServerSchema.class {}

DatabaseServerSchema.setClass(DatabaseServer);
