import { defineEntity, p } from '@mikro-orm/core';

/** A migration that a database has. */
export interface AppliedMigration {
  readonly name: string;
  /** The SHA-256 of the file when it was applied, in hexadecimal. */
  readonly hash: string;
}

/** The table `migration_states`: a row for each distinct list of applied migrations. Many tenants share a row. */
export const MigrationStateSchema = defineEntity({
  name: 'MigrationState',
  tableName: 'migration_states',
  properties: {
    /** The SHA-256 of `applied`. */
    id: p.text().primary(),
    /** In the order of application. */
    applied: p.json<AppliedMigration[]>(),
    /** The last migration by name. */
    version: p.text().nullable(),
  },
});

/** A list of applied migrations. */
export class MigrationState extends MigrationStateSchema.class {}

MigrationStateSchema.setClass(MigrationState);
