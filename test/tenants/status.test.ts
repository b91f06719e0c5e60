import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TenantStatus, tenantStatuses } from '../../src/catalog/entities/tenant.entity.ts';
import { includesStatus } from '../../src/catalog/steps.ts';
import { settledStatuses, takeStepSql, tenantSteps } from '../../src/catalog/tenant-status.ts';
import { codeOf } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

const { create: _create, remove: _remove, ...changes } = tenantSteps;
type Name = keyof typeof changes;
// Object.keys forgets what the keys are.
const names = Object.keys(changes) as Name[];

describe('a tenant', () => {
  let app: TestApp;
  let tenant: TestTenant;
  beforeAll(async () => {
    app = await startTestApp();
    [tenant = expect.unreachable()] = await createTenants(app, ['DATABASE']);
    // No recovery takes it for abandoned, whatever its status.
    app.services.provisioning.inProgress.begin(tenant.row.id);
  });
  afterAll(() => app[Symbol.asyncDispose]());

  const inCatalog = <T>(use: (client: pg.Client) => Promise<T>) => app.services.catalog.use(use);
  const setStatus = (client: pg.Client, status: TenantStatus) =>
    client.query(
      `UPDATE tenants SET status = $2, claimed_by = $3, deleted_at = now(), purge_at = now() + interval '1 day',
         status_before_deletion = 'ACTIVE' WHERE id = $1`,
      [tenant.row.id, status, app.services.listener.instance],
    );
  const statusNow = async (client: pg.Client) => {
    const { rows } = await client.query<{ status: TenantStatus }>('SELECT status FROM tenants WHERE id = $1', [
      tenant.row.id,
    ]);
    return rows[0]?.status;
  };

  /** The status after a step, which is not kept. */
  const statusAfter = (name: Name, status: TenantStatus, before: TenantStatus) =>
    inCatalog(async (client) => {
      await client.query('BEGIN');
      try {
        await setStatus(client, status);
        await client.query(
          'UPDATE tenants SET status_before_attention = $2, status_before_deletion = $2 WHERE id = $1',
          [tenant.row.id, before],
        );
        await client.query(
          `INSERT INTO tenant_maintenances (tenant_id, copy, status_before, claimed_by) VALUES ($1, 'copy', $2, 0)`,
          [tenant.row.id, before],
        );
        const from = {
          endMaintenance: 'tenant_maintenances m',
          endMove: '(SELECT tenant_id, status_before FROM tenant_maintenances) x',
        }[name as string];
        const where = from ? `t.id = $1 AND ${from.at(-1)}.tenant_id = t.id` : 't.id = $1';
        await client.query(takeStepSql(changes[name], from ? { where, from } : { where }), [tenant.row.id]);
        return await statusNow(client);
      } finally {
        await client.query('ROLLBACK');
      }
    });

  it.each(names.flatMap((name) => tenantStatuses.map((status) => [name, status] as const)))(
    'takes the step %s from %s only if the table says so',
    async (name, status) => {
      const { from, to } = changes[name];
      for (const before of ['ACTIVE', 'SUSPENDED'] as const) {
        const expected = to.length > 1 ? before : to[0];
        expect(await statusAfter(name, status, before)).toBe(includesStatus(from, status) ? expected : status);
      }
    },
  );

  const { from: maintainable } = tenantSteps.maintain;
  it.each<[field: string, allowed: readonly string[], after: (status: TenantStatus) => TenantStatus | undefined]>([
    ['suspendTenant(id: "SLUG") { id }', tenantSteps.suspend.from, () => 'SUSPENDED'],
    ['activateTenant(id: "SLUG") { id }', tenantSteps.activate.from, () => 'ACTIVE'],
    ['createCheckpoint(tenant: "SLUG") { id }', maintainable, (status) => status],
    [
      'resolveTenant(tenant: "SLUG", force: true) { resolved }',
      settledStatuses,
      (status) => (status === 'NEEDS_ATTENTION' ? 'ACTIVE' : status),
    ],
    ['deleteTenant(id: "SLUG", slug: "SLUG") { id }', tenantSteps.delete.from, () => 'DELETED'],
    ['undeleteTenant(id: "SLUG") { id }', tenantSteps.undelete.from, () => 'ACTIVE'],
    ['deleteTenant(id: "SLUG", slug: "SLUG", purge: true) { id }', tenantSteps.purge.from, () => undefined],
  ])('is changed by %s in the statuses of the table, and refused in all others', async (field, allowed, after) => {
    const mutation = `mutation { ${field.replaceAll('SLUG', tenant.slug)} }`;
    // The refusals come first, since one of the mutations leaves nothing.
    for (const status of tenantStatuses.toSorted((a) => (includesStatus(allowed, a) ? 1 : -1))) {
      await inCatalog((client) => setStatus(client, status));
      const code = codeOf(await app.ask(mutation, app.admin));
      const now = await inCatalog(statusNow);
      if (!includesStatus(allowed, status)) {
        expect(code, status).toMatch(/^(CONFLICT|TENANT_BUSY)$/);
        expect(now).toBe(status);
        continue;
      }
      expect(code, status).toBeUndefined();
      expect(now).toBe(after(status));
      if (now === undefined) break;
    }
  });
});
