import { expect } from 'vitest';
import type { MemberRole } from '../../../src/catalog/entities/membership.entity.ts';
import { quoteIdentifier } from '../../../src/postgres/sql/quote.ts';
import { join, type Person } from '../../support/accounts.ts';
import { type Answer, startTestApp, type TestApp } from '../../support/start-app.ts';

/** A tenant with a permission that no module knows, `things:write`, which admins have. */
export class TenantLab {
  readonly app: TestApp;
  readonly slug: string;
  #people = 0;

  constructor(app: TestApp, slug: string) {
    this.app = app;
    this.slug = slug;
  }

  static async create(app: TestApp, slug: string): Promise<TenantLab> {
    const created = await app.ask(`mutation { createTenant(input: { slug: "${slug}", name: "x" }) { id } }`, app.admin);
    expect(created.errors).toBeUndefined();
    const lab = new TenantLab(app, slug);
    await lab.sql(`INSERT INTO permissions VALUES ('things:write', 'Write things')`);
    await lab.sql(`INSERT INTO role_permissions SELECT id, 'things:write' FROM roles WHERE name = 'admin'`);
    return lab;
  }

  /** Somebody new who is signed in to the tenant. */
  async person(role: MemberRole): Promise<Person> {
    this.#people += 1;
    return join(this.app, `${role.toLowerCase()}-${this.#people}@${this.slug}.example.com`, this.slug, role);
  }

  /** Sends a statement to the tenant's database, as the owner. */
  async sql<Row extends object>(text: string): Promise<Row[]> {
    const { directory, servers } = this.app.services;
    const tenant = await directory.byReference(this.slug);
    const server = servers.get('default');
    if (!tenant || !server) return expect.unreachable(`${this.slug} is not there`);
    return server.owner(tenant.database, async (client) => {
      await client.query(`SET search_path = ${quoteIdentifier(tenant.schema)}`);
      return (await client.query<Row>(text)).rows;
    });
  }

  /** What somebody may do. */
  async permissions({ headers }: Pick<Person, 'headers'>): Promise<unknown> {
    const { data } = await this.app.ask('{ viewer { permissions } }', headers);
    return (data?.viewer as { permissions: string[] } | undefined)?.permissions;
  }

  /** The id of a role of this name. */
  async roleId(name: string): Promise<string> {
    const [row] = await this.sql<{ id: string }>(`SELECT id FROM roles WHERE name = '${name}'`);
    return row?.id ?? expect.unreachable(`there is no role ${name}`);
  }

  createRole({ headers }: Pick<Person, 'headers'>, name: string, permissions: readonly string[]): Promise<Answer> {
    const input = `{ name: "${name}", permissions: ${JSON.stringify(permissions)} }`;
    return this.app.ask(`mutation { createRole(input: ${input}) { id name permissions { name } } }`, headers);
  }

  updateRole({ headers }: Pick<Person, 'headers'>, role: string, input: string): Promise<Answer> {
    const text = `mutation { updateRole(role: "${role}", input: { ${input} }) { name description permissions { name } } }`;
    return this.app.ask(text, headers);
  }

  deleteRole({ headers }: Pick<Person, 'headers'>, role: string): Promise<Answer> {
    return this.app.ask(`mutation { deleteRole(role: "${role}") }`, headers);
  }

  assign({ headers }: Pick<Person, 'headers'>, role: string, user: string): Promise<Answer> {
    return this.app.ask(`mutation { assignRole(role: "${role}", user: "${user}") { roles { name } } }`, headers);
  }

  unassign({ headers }: Pick<Person, 'headers'>, role: string, user: string): Promise<Answer> {
    return this.app.ask(`mutation { unassignRole(role: "${role}", user: "${user}") }`, headers);
  }
}

/** An app with one such tenant. */
export async function startTenantLab(): Promise<TenantLab & AsyncDisposable> {
  const app = await startTestApp({ DEFAULT_ISOLATION: 'schema', SIGN_IN_LIMIT_ADDRESS: '1000' });
  const lab = await TenantLab.create(app, 'acme');
  return Object.assign(lab, { [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() });
}
