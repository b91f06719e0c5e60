import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tenantStatuses } from '../../src/catalog/entities/tenant.entity.ts';
import {
  canTake,
  deletedStatuses,
  fleetStatuses,
  refusedStatuses,
  servedStatuses,
  settledStatuses,
  tenantSteps,
  unfinishedStatuses,
} from '../../src/catalog/tenant-status.ts';
import { servable } from '../../src/routing/resolve-tenant.ts';
import { movesOf } from '../support/moves.ts';

const file = 'src/catalog/tenant-status.ts';

describe('the statuses of a tenant', () => {
  it('follow each other as the table says', () => {
    expect(movesOf(tenantSteps)).toEqual([
      'ACTIVE → ACTIVE',
      'ACTIVE → DELETED',
      'ACTIVE → DELETING',
      'ACTIVE → MAINTENANCE',
      'ACTIVE → NEEDS_ATTENTION',
      'ACTIVE → SUSPENDED',
      'DELETED → ACTIVE',
      'DELETED → DELETING',
      'DELETED → NEEDS_ATTENTION',
      'DELETED → SUSPENDED',
      'DELETING →',
      'DELETING → DELETING',
      'MAINTENANCE → ACTIVE',
      'MAINTENANCE → SUSPENDED',
      'NEEDS_ATTENTION → ACTIVE',
      'NEEDS_ATTENTION → DELETED',
      'NEEDS_ATTENTION → DELETING',
      'NEEDS_ATTENTION → SUSPENDED',
      'PROVISIONING → ACTIVE',
      'PROVISIONING → DELETING',
      'SUSPENDED → ACTIVE',
      'SUSPENDED → DELETED',
      'SUSPENDED → DELETING',
      'SUSPENDED → MAINTENANCE',
      'SUSPENDED → NEEDS_ATTENTION',
      'SUSPENDED → SUSPENDED',
      '→ PROVISIONING',
    ]);
  });

  it('are each either unfinished, settled, MAINTENANCE or DELETED, and either served, refused or DELETING', () => {
    expect([...unfinishedStatuses, ...settledStatuses, 'MAINTENANCE', 'DELETED'].sort()).toEqual(
      tenantStatuses.toSorted(),
    );
    expect([...servedStatuses, ...refusedStatuses, 'DELETING'].sort()).toEqual(tenantStatuses.toSorted());
    expect(fleetStatuses.filter((status) => canTake(tenantSteps.discard, status))).toEqual([]);
  });

  it.each(tenantStatuses)('%s gets the answer that its group says', (status) => {
    const placement = { isolation: 'SCHEMA', key: '', server: '', database: '', schema: '' } as const;
    const code = () => {
      try {
        return servable({ id: '', slug: 'one', status, ...placement }, 'one').status;
      } catch (error) {
        return error instanceof Error && 'code' in error ? error.code : error;
      }
    };
    const isServed = servedStatuses.some((served) => served === status);
    const refused = deletedStatuses.some((deleted) => deleted === status) ? 'TENANT_NOT_FOUND' : 'TENANT_SUSPENDED';
    const served = status === 'ACTIVE' ? 'ACTIVE' : 'TENANT_BUSY';
    expect(code()).toBe(isServed ? served : refused);
  });

  it(`are written by the SQL of ${file} only`, () => {
    const writes = (path: string) => {
      const text = readFileSync(path, 'utf8');
      return [
        ...text.matchAll(/UPDATE tenants\b(?:(?!WHERE|`).)*?\bstatus =/gs),
        ...text.matchAll(/INSERT INTO tenants\b/g),
        ...text.matchAll(/nativeUpdate\(\s*Tenant\b[^;]*status/g),
        ...text.matchAll(/\bstatus: '(?:PROVISIONING|ACTIVE|SUSPENDED|MAINTENANCE|NEEDS_ATTENTION|DELETING)'/g),
      ].map(([found]) => `${path}: ${found}`);
    };
    // Else the patterns would find nothing anywhere.
    const used = globSync('src/**/*.ts').filter((path) => readFileSync(path, 'utf8').includes('takeStepSql('));
    expect(used.length).toBeGreaterThan(7);
    expect(writes('test/checkpoints/takeover.test.ts')).not.toEqual([]);
    expect(globSync('src/**/*.ts', { exclude: [file] }).flatMap(writes)).toEqual([]);
  });
});
