import type { MemberRole } from '../../src/catalog/entities/membership.entity.ts';
import type { Person } from './accounts.ts';
import type { HttpClient } from './http-client.ts';
import type { Answer } from './start-app.ts';

/** What owners of tenants do, over HTTP. */
export interface TenantOwners {
  create(by: Person, slug: string): Promise<Answer>;
  addMember(by: Person, slug: string, email: string, role: MemberRole, fields?: string): Promise<Answer>;
  inviteMember(by: Person, slug: string, email: string, role: MemberRole, fields?: string): Promise<Answer>;
  leave(person: Person, slug: string): Promise<Answer>;
  deleteTenant(by: Person, slug: string): Promise<Answer>;
}

/** @param client gives the server that is asked, which may not have started yet */
export function tenantOwners(client: () => HttpClient): TenantOwners {
  const ask = ({ headers }: Person, text: string) =>
    client().ask<Record<string, unknown>>(`mutation { ${text} }`, headers);
  const input = (slug: string, email: string, role: MemberRole) =>
    `input: { tenant: "${slug}", email: "${email}", role: ${role} }`;
  return {
    create: (by, slug) => ask(by, `createTenant(input: { slug: "${slug}", name: "x" }) { id }`),
    addMember: (by, slug, email, role, fields = '{ isPending }') =>
      ask(by, `addMember(${input(slug, email, role)}) ${fields}`),
    inviteMember: (by, slug, email, role, fields = '{ id }') =>
      ask(by, `inviteMember(${input(slug, email, role)}) ${fields}`),
    leave: (person, slug) => ask(person, `removeMember(tenant: "${slug}", user: "${person.id}")`),
    deleteTenant: (by, slug) => ask(by, `deleteTenant(id: "${slug}", slug: "${slug}") { slug }`),
  };
}
