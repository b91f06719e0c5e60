import { expect } from 'vitest';
import type { Isolation } from '../../src/catalog/entities/tenant.entity.ts';
import { eventually } from '../support/eventually.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** An installation with two servers: `default`, and `b`. */
export interface TransferLab extends AsyncDisposable {
  readonly app: TestApp;
  readonly second: TestPostgres;
  /** Asks as a platform admin, and expects no error. */
  ask(query: string, headers?: Record<string, string>): Promise<Record<string, unknown>>;
  /** The code and the message of the error that a query is answered with. */
  failure(query: string, headers?: Record<string, string>): Promise<{ code: unknown; message: string | undefined }>;
  createTenant(slug: string, isolation: Isolation, server?: string): Promise<void>;
  addProducts(slug: string, ...skus: string[]): Promise<void>;
  skusOf(slug: string): Promise<readonly string[]>;
  /** Starts a move, and returns the transfer's id. */
  move(slug: string, to: string): Promise<string>;
  /** Waits until a transfer has ended. */
  ended(transfer: string): Promise<Record<string, unknown>>;
  placementOf(slug: string): Promise<Record<string, unknown>>;
  /** What doctor finds. */
  findings(): Promise<readonly string[]>;
}

export async function startTransferLab(env: Record<string, string> = {}): Promise<TransferLab> {
  await using stack = new AsyncDisposableStack();
  const [app, second] = await Promise.all([startTestApp(env), startTestPostgres()]);
  stack.use(second);
  stack.use(app);
  const answer = (query: string, headers = app.admin) => app.ask(query, headers);
  const ask = async (query: string, headers = app.admin) => {
    const { data, errors } = await answer(query, headers);
    expect(errors).toBeUndefined();
    return data ?? expect.unreachable(`no data for ${query}`);
  };
  await app.services.servers.add('b', second.env.DATABASE_URL);
  const lab = {
    app,
    second,
    ask,
    failure: async (query: string, headers = app.admin) => {
      const [error] = (await answer(query, headers)).errors ?? [];
      return { code: error?.extensions.code, message: error?.message };
    },
    createTenant: async (slug: string, isolation: Isolation, server = 'default') => {
      const input = `{ slug: "${slug}", name: "The tenant ${slug}", isolation: ${isolation}, server: "${server}" }`;
      await ask(`mutation { createTenant(input: ${input}) { id } }`);
    },
    addProducts: async (slug: string, ...skus: string[]) => {
      const fields = skus.map(
        (sku, index) =>
          `p${index}: createProduct(input: { sku: "${sku}", name: "n", price: "1.00", currency: "EUR" }) { id }`,
      );
      await ask(`mutation { ${fields.join(' ')} }`, await app.tokenFor(slug));
    },
    skusOf: async (slug: string) => {
      const data = await ask('{ products(first: 100) { nodes { sku } } }', await app.tokenFor(slug));
      const { nodes } = data.products as { nodes: { sku: string }[] };
      return nodes.map(({ sku }) => sku).sort();
    },
    move: async (slug: string, to: string) => {
      const data = await ask(`mutation { moveTenant(input: { tenant: "${slug}", ${to} }) { id } }`);
      return (data.moveTenant as { id: string }).id;
    },
    ended: async (transfer: string) => {
      const fields = `id kind status error pausedMs rowsCopied rowsTotal endedAt
        tenant { slug status isolation } from { server schema } to { server database schema }`;
      return eventually('the transfer has ended', async () => {
        const { tenantTransfer } = await ask(`{ tenantTransfer(id: "${transfer}") { ${fields} } }`);
        const found = tenantTransfer as Record<string, unknown>;
        return found.endedAt === null ? undefined : found;
      });
    },
    placementOf: async (slug: string) => {
      const data = await ask(`{ tenant(slug: "${slug}") { status isolation placement { server database schema } } }`);
      return data.tenant as Record<string, unknown>;
    },
    findings: async () => {
      const data = await ask('{ doctor { message } }');
      return (data.doctor as { message: string }[]).map(({ message }) => message);
    },
  };
  const parts = stack.move();
  return { ...lab, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
