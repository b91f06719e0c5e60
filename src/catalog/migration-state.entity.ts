import { defineEntity, p } from '@mikro-orm/core';

/** A migration that a database has. */
export interface AppliedMigration {
  readonly name: string;
  /** SHA-256 of the file, in hexadecimal, as it was when it was applied. */
  readonly hash: string;
}

/** The table `migration_states`: each set of migrations that some tenant has is one row, so that a fleet has few of them. */
export const MigrationStateSchema = defineEntity({
  name: 'MigrationState',
  tableName: 'migration_states',
  properties: {
    /** SHA-256 of `applied`. */
    id: p.text().primary(),
    applied: p.json<AppliedMigration[]>(),
    /** The name of the last one. */
    version: p.text().nullable(),
  },
});

/** A set of tenant migrations, in the order of their names. */
export class MigrationState extends MigrationStateSchema.class {}

MigrationStateSchema.setClass(MigrationState);
