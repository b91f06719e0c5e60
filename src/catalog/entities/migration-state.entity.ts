import { defineEntity, p } from '@mikro-orm/core';

/** A migration that a database has. */
export interface AppliedMigration {
  readonly name: string;
  /** SHA-256 of the file, in hexadecimal, as it was when it was applied. */
  readonly hash: string;
}

/** The table `migration_states`: each list of migrations that some tenant has is one row, so that a fleet has few of them. */
export const MigrationStateSchema = defineEntity({
  name: 'MigrationState',
  tableName: 'migration_states',
  properties: {
    /** SHA-256 of `applied`. */
    id: p.text().primary(),
    /** In the order in which they were applied. */
    applied: p.json<AppliedMigration[]>(),
    /** The last one by name. */
    version: p.text().nullable(),
  },
});

/** The tenant migrations that a tenant has. */
export class MigrationState extends MigrationStateSchema.class {}

MigrationStateSchema.setClass(MigrationState);
