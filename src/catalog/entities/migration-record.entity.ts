import { defineEntity, p } from '@mikro-orm/core';
import { Tenant } from './tenant.entity.ts';

/** The kinds of databases, each with a line of migrations of its own. */
export const migrationScopes = ['AUTH', 'CONSTANTS', 'COMMON', 'TENANT'] as const;
export type MigrationScope = (typeof migrationScopes)[number];

/** What became of a migration in a database. */
export const migrationStatuses = ['APPLIED', 'ROLLED_BACK', 'REVERTED'] as const;
export type MigrationStatus = (typeof migrationStatuses)[number];

/** The table `migration_records`: what runs did, and which changed files were accepted, over the whole fleet. */
export const MigrationRecordSchema = defineEntity({
  name: 'MigrationRecord',
  tableName: 'migration_records',
  properties: {
    id: p.bigint('string').primary(),
    /** Null for the system databases, and if it is deleted. */
    tenant: () => p.manyToOne(Tenant).nullable().ref(),
    /** The slug that it had. */
    deletedTenant: p.text().nullable(),
    scope: p.enum(migrationScopes),
    name: p.text(),
    hash: p.text(),
    status: p.enum(migrationStatuses),
    runId: p.uuid().nullable(),
    checkpoint: p.text().nullable(),
    appliedAt: p.datetime(3),
    durationMs: p.double().$type<number>().nullable(),
    error: p.text().nullable(),
    /** With the record of a changed file that was accepted: the hash before, and who accepted it. */
    previousHash: p.text().nullable(),
    acceptedBy: p.text().nullable(),
  },
});

/** One attempt to apply one migration. */
export class MigrationRecord extends MigrationRecordSchema.class {}

MigrationRecordSchema.setClass(MigrationRecord);
