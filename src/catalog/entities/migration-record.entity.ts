import { defineEntity, p } from '@mikro-orm/core';
import { Tenant } from './tenant.entity.ts';

/** The kinds of databases, each with its own migrations. */
export const migrationScopes = ['AUTH', 'CONSTANTS', 'COMMON', 'TENANT'] as const;
export type MigrationScope = (typeof migrationScopes)[number];

/** The result of a migration in a database. */
export const migrationStatuses = ['APPLIED', 'ROLLED_BACK', 'REVERTED'] as const;
export type MigrationStatus = (typeof migrationStatuses)[number];

/** The table `migration_records`: what runs did in the whole fleet, and which changed files were accepted. */
export const MigrationRecordSchema = defineEntity({
  name: 'MigrationRecord',
  tableName: 'migration_records',
  properties: {
    id: p.bigint('string').primary(),
    /** Null for the system databases and deleted tenants. */
    tenant: () => p.manyToOne(Tenant).nullable().ref(),
    /** The slug of a deleted tenant. */
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
    /** For an accepted change of a file: the previous hash, and who accepted it. */
    previousHash: p.text().nullable(),
    acceptedBy: p.text().nullable(),
  },
});

/** One attempt to apply one migration. */
export class MigrationRecord extends MigrationRecordSchema.class {}

MigrationRecordSchema.setClass(MigrationRecord);
