import { migrationStatuses } from '../../catalog/entities/migration-record.entity.ts';
import { readMigrationHistory, type ShownRecord } from '../../fleet/history.ts';
import { builder } from '../builder.ts';
import { MigrationKindRef, MigrationScopeRef } from './migration-plan.ts';
import { TenantRef } from './tenant.ts';

const MigrationStatusRef = builder.enumType('MigrationStatus', {
  description:
    'ROLLED_BACK: it failed and left no changes, or it is a backfill that has not ended, which its error says. REVERTED: it was applied and later reverted.',
  values: migrationStatuses,
});

/** The GraphQL type of a migration attempt. */
export const MigrationRecordRef = builder.objectRef<ShownRecord>('MigrationRecord').implement({
  description: 'One attempt to apply one migration to one database, or the acceptance of its changed file.',
  fields: (t) => ({
    tenant: t.field({
      type: TenantRef,
      nullable: true,
      description: 'Null for the system databases and for deleted tenants.',
      resolve: ({ tenant }) => tenant,
    }),
    deletedTenant: t.exposeString('deletedTenant', {
      nullable: true,
      description: 'The slug of a deleted tenant.',
    }),
    scope: t.field({ type: MigrationScopeRef, resolve: ({ scope }) => scope }),
    name: t.exposeString('name'),
    kind: t.field({
      type: MigrationKindRef,
      nullable: true,
      description: 'Null if the code has no file of this name.',
      resolve: ({ kind }) => kind,
    }),
    hash: t.exposeString('hash', { description: 'SHA-256 of the file at that time.' }),
    status: t.field({ type: MigrationStatusRef, resolve: ({ status }) => status }),
    run: t.exposeID('run', { nullable: true }),
    checkpoint: t.exposeString('checkpoint', { nullable: true }),
    appliedAt: t.field({ type: 'DateTime', resolve: ({ appliedAt }) => appliedAt }),
    durationMs: t.exposeFloat('durationMs'),
    error: t.exposeString('error', { nullable: true }),
    previousHash: t.exposeString('previousHash', {
      nullable: true,
      description: 'If a changed file was accepted: the previous hash.',
    }),
    acceptedBy: t.exposeString('acceptedBy', {
      nullable: true,
      description: 'Who accepted it: the email address or subject of the token.',
    }),
  }),
});

builder.queryField('migrationHistory', (t) =>
  t.connection(
    {
      type: MigrationRecordRef,
      description:
        "Newest first. With a tenant, or with the scope AUTH or CONSTANTS: that database's own history. Otherwise what runs did, across the whole fleet.",
      nullable: true,
      authScopes: { platformAdmin: true },
      args: {
        tenant: t.arg.id({ description: 'Its id or slug.' }),
        scope: t.arg({ type: MigrationScopeRef }),
        status: t.arg({ type: MigrationStatusRef }),
      },
      resolve: (_root, args, { services }) => readMigrationHistory(services, args),
    },
    { name: 'MigrationHistoryConnection' },
    { name: 'MigrationHistoryEdge' },
  ),
);
