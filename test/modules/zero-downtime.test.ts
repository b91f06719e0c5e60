import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Checkout, copyCheckout } from '../support/checkout.ts';
import { childEnv } from '../support/child-env.ts';
import type { HttpClient } from '../support/http-client.ts';
import { startServer } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const ROWS = 2000;
const tenants = { 'own-database': 'database', 'own-schema': 'schema' };

/** The page's blocks by the file that their first line names, in order. */
const blocks = [...readFileSync('docs/zero-downtime.md', 'utf8').matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```/gms)].map(
  ([, file = '', text = '']) => ({ file, text }),
);
const first = blocks.findIndex(({ file }) => file.endsWith('_add_brand.ts'));
const [addBrand, fillBrand, entity, entityAfter, input, fields, computed, dropName] = blocks.slice(first);

it('the example is deployed while old and new servers answer requests, and none of them fails', async () => {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startTestPostgres());
  const env = {
    ...postgres.env,
    BACKFILL_BATCH_MS: '20',
    CALLER_OPERATIONS: '1000',
    NODE_ENV: 'test',
  };
  const [old, one, two] = Array.from({ length: 3 }, () => stack.use(copyCheckout()));
  if (!old || !one || !two) throw new Error('no copies');
  for (const copy of [one, two]) write(copy, addBrand, fillBrand);
  one.edit('src/modules/shop/product.entity.ts', '    name: p.text(),\n', entity?.text ?? '');
  two.edit('src/modules/shop/product.entity.ts', '    name: p.text(),\n', entityAfter?.text ?? '');
  two.edit('src/modules/shop/product-input.ts', nameInput, input?.text ?? '');
  two.edit('src/modules/shop/schema.ts', '    name: { filter: true, order: true },\n', fields?.text ?? '');
  two.edit('src/modules/shop/schema.ts', 'entityType(OrderLine,', `${computed?.text}\nentityType(OrderLine,`);
  two.edit('src/modules/shop/schema.ts', '  listField,\n', '  listField,\n  needs,\n');
  write(two, dropName);

  const tokens: Record<string, Record<string, string>> = {};
  for (const [slug, isolation] of Object.entries(tenants)) {
    await tenantry(old, env, 'tenant', 'create', slug, '--isolation', isolation);
    const token = (await tenantry(old, env, 'token', '--tenant', slug, '--role', 'OWNER')).trim();
    tokens[slug] = { authorization: `Bearer ${token}` };
  }
  await fill(postgres);

  const start = async (checkout: Checkout, version: Version) => {
    const server = stack.use(startServer(env, { checkout: checkout.dir }));
    const client = await server.listening();
    return { server, traffic: Object.values(tokens).map((headers) => new Traffic(client, headers, version)) };
  };
  const stop = async ({ server, traffic }: Awaited<ReturnType<typeof start>>) => {
    for (const each of traffic) expect(await each.end()).toBeGreaterThan(20);
    expect(await server.end('SIGTERM')).toBe(0);
  };

  const before = await start(old, 'name');
  await tenantry(one, env, 'migrate', 'up');
  const expanded = await start(one, 'name');
  await stop(before);
  const contracted = await start(two, 'brand');
  await stop(expanded);
  await tenantry(two, env, 'migrate', 'up');
  await stop(contracted);
  for (const headers of Object.values(tokens)) {
    const server = stack.use(startServer(env, { checkout: two.dir }));
    const { data } = await (await server.listening()).ask<{
      wrong: { totalCount: number };
      all: { totalCount: number };
    }>(
      '{ wrong: products(filter: { or: [{ brand: { eq: "" } }, { model: { eq: "" } }] }) { totalCount } all: products { totalCount } }',
      headers,
    );
    expect(data?.wrong.totalCount).toBe(0);
    expect(data?.all.totalCount).toBeGreaterThan(ROWS);
  }
}, 300_000);

const nameInput =
  /^ {2}name: \{.*?^ {2}\},\n/ms.exec(readFileSync('src/modules/shop/product-input.ts', 'utf8'))?.[0] ?? '';

type Version = 'name' | 'brand';

let count = 0;

/** Requests of one client, one after the other, until it is ended. */
class Traffic {
  readonly #client: HttpClient;
  readonly #headers: Record<string, string>;
  readonly #version: Version;
  readonly #work: Promise<number>;
  #ended = false;

  constructor(client: HttpClient, headers: Record<string, string>, version: Version) {
    this.#client = client;
    this.#headers = headers;
    this.#version = version;
    this.#work = this.#run();
    // The test waits for it later.
    this.#work.catch(() => undefined);
  }

  /** Returns the number of requests, or fails with the first error. */
  end(): Promise<number> {
    this.#ended = true;
    return this.#work;
  }

  async #run(): Promise<number> {
    let requests = 0;
    while (!this.#ended) {
      count += 1;
      const number = count;
      const words = this.#version === 'name' ? `name: "Acme Pot-${number}"` : `brand: "Acme", model: "Pot-${number}"`;
      const created = await this.#ask<{ createProduct: { id: string; name: string } }>(
        `mutation { createProduct(input: { sku: "new-${number}", ${words}, price: "1.00", currency: "EUR", stock: 1 }) { id name } }`,
      );
      expect(created.createProduct.name).toBe(`Acme Pot-${number}`);
      const change = this.#version === 'name' ? `name: "Other Pan-${number}"` : `model: "Pan-${number}"`;
      const { id } = created.createProduct;
      await this.#ask(`mutation { updateProduct(id: "${id}", input: { ${change} }) { id } }`);
      const { products } = await this.#ask<{ products: { nodes: { name: string }[] } }>(
        '{ products(last: 5) { nodes { name } } }',
      );
      for (const { name } of products.nodes) expect(name).toMatch(/^\S+ \S+$/);
      requests += 3;
    }
    return requests;
  }

  async #ask<Data>(query: string): Promise<Data> {
    const { data, errors } = await this.#client.ask<Data>(query, this.#headers);
    if (errors || !data) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    return data;
  }
}

function write(checkout: Checkout, ...files: ((typeof blocks)[number] | undefined)[]): void {
  for (const file of files) if (file) writeFileSync(checkout.file(file.file), file.text);
}

/** Adds the products that a shop has had for long. */
async function fill(postgres: TestPostgres): Promise<void> {
  const placements = await postgres.rows<{ database: string; schema: string }>(
    'SELECT database, schema FROM tenants',
    [],
    'auth',
  );
  expect(placements).toHaveLength(2);
  for (const { database, schema } of placements) {
    await postgres.rows(
      `INSERT INTO "${schema}".products (sku, name, price, currency, stock)
       SELECT 'sku-' || n, 'Brand-' || n % 9 || ' Kettle-' || n, 1, 'EUR', 1 FROM generate_series(1, ${ROWS}) n`,
      [],
      database,
    );
  }
}

/** Runs the command line of a copy as a process, and returns its output, or fails with it. */
function tenantry(checkout: Checkout, env: Record<string, string>, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: checkout.dir, env: { ...childEnv, ...env } };
    execFile(process.execPath, ['src/cli.ts', ...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${args.join(' ')}: ${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}
