import { expect } from 'vitest';
import type { Isolation } from '../../src/catalog/entities/tenant.entity.ts';
import type { KnownTenant } from '../../src/catalog/tenant-directory.ts';
import { searchProblems } from '../../src/doctor/search.ts';
import { eventually } from '../support/eventually.ts';
import { durableSequences } from '../support/postgres-settings.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** An installation with two servers: `default`, and `b`. */
export interface TransferLab extends AsyncDisposable {
  readonly app: TestApp;
  /** The server `default`; only with `ownFirst`. */
  readonly first: TestPostgres;
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
  /** Starts to clone, and returns the transfer's id. */
  clone(input: string): Promise<string>;
  /** Repeats something until it does not throw. */
  asSoonAsItAnswers<T>(work: () => Promise<T>): Promise<T>;
  rowOf(slug: string): Promise<KnownTenant>;
  /** Waits until a transfer has ended. */
  ended(transfer: string): Promise<Record<string, unknown>>;
  placementOf(slug: string): Promise<Record<string, unknown>>;
  /** What doctor finds. */
  findings(): Promise<readonly string[]>;
}

/** @param ownFirst whether the first server is one that the test can stop and other processes can reach */
export async function startTransferLab(
  env: Record<string, string> = {},
  { ownFirst = false }: { readonly ownFirst?: boolean } = {},
): Promise<TransferLab> {
  await using stack = new AsyncDisposableStack();
  const [own, second] = await Promise.all([
    ownFirst ? startInstalledPostgres(durableSequences) : undefined,
    startTestPostgres(durableSequences),
  ]);
  stack.use(second);
  if (own) stack.use(own);
  const app = stack.use(await startTestApp({ ...env, ...own?.env }));
  const answer = (query: string, headers = app.admin) => app.ask(query, headers);
  const ask = async (query: string, headers = app.admin) => {
    const { data, errors } = await answer(query, headers);
    expect(errors).toBeUndefined();
    return data ?? expect.unreachable(`no data for ${query}`);
  };
  await app.services.servers.add('b', second.env.DATABASE_URL);
  const lab = {
    app,
    get first() {
      return own ?? expect.unreachable('start the lab with ownFirst');
    },
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
    clone: async (input: string) => {
      const data = await ask(`mutation { cloneTenant(input: { ${input} }) { id } }`);
      return (data.cloneTenant as { id: string }).id;
    },
    asSoonAsItAnswers: async <T>(work: () => Promise<T>): Promise<T> => {
      const found = await eventually('it answers', () =>
        work().then(
          (value) => ({ value }),
          () => undefined,
        ),
      );
      return found.value;
    },
    rowOf: async (slug: string) => (await app.services.directory.byReference(slug)) ?? expect.unreachable(slug),
    ended: async (transfer: string) => {
      const fields = `id kind status error pausedMs rowsCopied rowsTotal endedAt
        tenant { slug status isolation } from { server schema } to { server database schema }`;
      return eventually('the transfer has ended', async () => {
        // The server that is asked may be down at this moment.
        const { data } = await app.ask(`{ tenantTransfer(id: "${transfer}") { ${fields} } }`, app.admin);
        const found = data?.tenantTransfer as Record<string, unknown> | null | undefined;
        return found?.endedAt == null ? undefined : found;
      });
    },
    placementOf: async (slug: string) => {
      const data = await ask(`{ tenant(slug: "${slug}") { status isolation placement { server database schema } } }`);
      return data.tenant as Record<string, unknown>;
    },
    findings: async () => {
      const { servers, config } = app.services;
      // Not `app.services.doctor`, whose findings may be a minute old.
      const search = () => searchProblems({ servers, config, idleLockSeconds: 60 });
      return (await lab.asSoonAsItAnswers(search)).map(({ message }) => message);
    },
  };
  const parts = stack.move();
  return Object.assign(lab, { [Symbol.asyncDispose]: () => parts.disposeAsync() });
}
