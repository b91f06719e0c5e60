import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { codeOf, type Person } from '../../support/accounts.ts';
import { startTenantLab, TenantLab } from './tenant-lab.ts';

describe('who may change roles, but not do everything,', () => {
  let lab: TenantLab & AsyncDisposable;
  let owner: Person;
  /** Has `roles:write`, and not `things:write`. */
  let clerk: Person;
  let clerks: string;
  /** A role with `things:write`. */
  let strong: string;
  const idOf = (answer: { data?: Record<string, unknown> | null }) =>
    (answer.data?.createRole as { id: string } | undefined)?.id ?? expect.unreachable('no role was made');
  beforeAll(async () => {
    lab = await startTenantLab();
    [owner, clerk] = [await lab.person('OWNER'), await lab.person('MEMBER')];
    clerks = idOf(await lab.createRole(owner, 'clerks', ['roles:write']));
    strong = idOf(await lab.createRole(owner, 'strong', ['things:write']));
    expect((await lab.assign(owner, clerks, clerk.id)).errors).toBeUndefined();
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it('gives nobody what he does not have, in no way', async () => {
    const own = await lab.permissions(clerk);
    expect(own).toContain('roles:write');
    const attempts = [
      await lab.createRole(clerk, 'mine', ['things:write']),
      await lab.updateRole(clerk, clerks, 'permissions: ["roles:write", "things:write"]'),
      await lab.updateRole(clerk, await lab.roleId('member'), 'permissions: ["things:write"]'),
      await lab.assign(clerk, strong, clerk.id),
      await lab.assign(clerk, await lab.roleId('admin'), clerk.id),
      await lab.updateRole(clerk, strong, 'name: "clerks-own"'),
    ];
    expect(attempts.map(codeOf)).toEqual(Array.from({ length: 6 }, () => 'FORBIDDEN'));
    expect(attempts[0]?.errors?.[0]?.message).toContain('You lack: things:write');
    expect(await lab.permissions(clerk)).toEqual(own);
  });

  it('takes nothing from others that he does not have', async () => {
    const person = await lab.person('MEMBER');
    await lab.assign(owner, strong, person.id);
    const attempts = [
      await lab.unassign(clerk, strong, person.id),
      await lab.deleteRole(clerk, strong),
      await lab.updateRole(clerk, strong, 'permissions: []'),
      await lab.updateRole(clerk, await lab.roleId('admin'), 'permissions: []'),
    ];
    expect(attempts.map(codeOf)).toEqual(Array.from({ length: 4 }, () => 'FORBIDDEN'));
    expect(await lab.permissions(person)).toContain('things:write');
  });

  it('gives and takes what he has', async () => {
    const person = await lab.person('MEMBER');
    const role = idOf(await lab.createRole(clerk, 'deputies', ['roles:write']));
    expect(codeOf(await lab.assign(clerk, role, person.id))).toBeUndefined();
    expect(await lab.permissions(person)).toContain('roles:write');
    expect(codeOf(await lab.unassign(clerk, role, person.id))).toBeUndefined();
    expect(codeOf(await lab.deleteRole(clerk, role))).toBeUndefined();
  });

  it('does not lock himself out, and so no tenant its last', async () => {
    const attempts = [
      await lab.deleteRole(clerk, clerks),
      await lab.updateRole(clerk, clerks, 'permissions: []'),
      await lab.unassign(clerk, clerks, clerk.id),
    ];
    expect(attempts.map(codeOf)).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT']);
    expect(await lab.permissions(clerk)).toContain('roles:write');
    // In a tenant that has no owner, an admin cannot either.
    const ownerless = await TenantLab.create(lab.app, 'ownerless');
    const admin = await ownerless.person('ADMIN');
    expect(codeOf(await ownerless.updateRole(admin, await ownerless.roleId('admin'), 'permissions: []'))).toBe(
      'CONFLICT',
    );
    // For an owner it is no loss.
    const admins = await lab.roleId('admin');
    const all = `permissions: ${JSON.stringify((await lab.permissions(await lab.person('ADMIN'))) ?? [])}`;
    expect(codeOf(await lab.updateRole(owner, admins, 'permissions: []'))).toBeUndefined();
    expect(codeOf(await lab.updateRole(owner, admins, all))).toBeUndefined();
  });

  it('is judged by what he may do at that moment, when both change something at once', async () => {
    const waiting = async (count: number) => {
      const sql = `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename LIKE 'tenant\\_%'`;
      await vi.waitFor(async () => expect(await lab.sql(sql)).toHaveLength(count), 5_000);
    };
    const admin = await lab.person('ADMIN');
    const { directory, servers } = lab.app.services;
    const tenant = (await directory.byReference('acme')) ?? expect.unreachable('acme is not there');
    const answers = await servers.get('default')?.owner(tenant.database, async (client) => {
      await client.query(`BEGIN; SELECT FROM ${tenant.schema}.roles WHERE name = 'owner' FOR UPDATE`);
      const first = lab.updateRole(owner, await lab.roleId('admin'), 'permissions: ["roles:write"]');
      await waiting(1);
      const second = lab.createRole(admin, 'too-late', ['things:write']);
      await waiting(2);
      await client.query('COMMIT');
      return Promise.all([first, second]);
    });
    expect(answers?.map(codeOf)).toEqual([undefined, 'FORBIDDEN']);
    expect(await lab.sql(`SELECT FROM roles WHERE name = 'too-late'`)).toEqual([]);
  });

  it('reaches nobody and nothing of another tenant, whatever ids he names', async () => {
    const other = await TenantLab.create(lab.app, 'globex');
    const [foreignOwner, foreign] = [await other.person('OWNER'), await other.person('MEMBER')];
    const foreignRole = idOf(await other.createRole(foreignOwner, 'foreign', ['roles:write']));
    const foreignAdmins = await other.roleId('admin');
    for (const id of [foreignRole, foreignAdmins, randomUUID(), 'no id', '', "' OR true --"]) {
      expect(codeOf(await lab.updateRole(owner, id, 'permissions: []'))).toBe('NOT_FOUND');
      expect(codeOf(await lab.deleteRole(owner, id))).toBe('NOT_FOUND');
      expect(codeOf(await lab.assign(owner, id, owner.id))).toBe('NOT_FOUND');
      expect(codeOf(await lab.unassign(owner, id, owner.id))).toBe('NOT_FOUND');
    }
    const [stranger, unknown] = await Promise.all(
      [foreign.id, randomUUID()].map((id) => lab.assign(owner, strong, id)),
    );
    expect([stranger, unknown].map((answer) => codeOf(answer ?? {}))).toEqual(['NOT_FOUND', 'NOT_FOUND']);
    expect(codeOf(await lab.assign(owner, strong, 'no id'))).toBe('NOT_FOUND');
    expect(await lab.unassign(owner, strong, foreign.id)).toEqual({ data: { unassignRole: false } });
    const profiles = `{ memberProfiles(users: ["${foreign.id}", "${owner.id}", "no id"]) { user } }`;
    expect((await lab.app.ask(profiles, owner.headers)).data).toEqual({ memberProfiles: [{ user: owner.id }] });
    expect(await other.permissions(foreignOwner)).toContain('things:write');
    expect(await other.sql('SELECT FROM member_roles')).toEqual([]);
  });
});
