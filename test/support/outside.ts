import { progressQuery, runFields, type ShownEvent, type ShownRun } from './fleet.ts';
import type { HttpClient } from './http-client.ts';

/** How a write ended, for the one who asked for it. */
export interface Writes {
  /** What was confirmed, refused, or is of unknown outcome: SKUs, each with its tenant. */
  readonly confirmed: string[];
  readonly refused: string[];
  readonly unknown: string[];
  /** Other errors: none of these should happen. */
  readonly problems: string[];
  /** The longest time that an answer took for each tenant, in milliseconds. */
  readonly longest: Map<string, number>;
}

/** An installation that is asked from outside, by a platform admin. */
export class Outside {
  readonly http: HttpClient;
  readonly admin: Record<string, string>;

  constructor(http: HttpClient, admin: Record<string, string>) {
    this.http = http;
    this.admin = admin;
  }

  /** Asks as the admin; throws if there is an error in the answer. */
  async ask<Data>(query: string): Promise<Data> {
    const { data, errors } = await this.http.ask<Data>(query, this.admin);
    if (errors || !data) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    return data;
  }

  /** Creates tenants, some with a database of their own, on a server. */
  async createTenants(server: string, schemas: number, databases: number, prefix = server): Promise<string[]> {
    const slugs: string[] = [];
    for (let index = 0; index < schemas + databases; index += 1) {
      const slug = `${prefix}-${index + 1}`;
      const isolation = index < schemas ? 'SCHEMA' : 'DATABASE';
      await this.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation}, server: "${server}" }) { id } }`,
      );
      slugs.push(slug);
    }
    return slugs;
  }

  async startRun(tenants: readonly string[]): Promise<string> {
    const started = await this.ask<{ runMigrations: { id: string } }>(
      `mutation { runMigrations(input: { wait: false, tenants: ${JSON.stringify(tenants)} }) { id } }`,
    );
    return started.runMigrations.id;
  }

  async run(id: string): Promise<ShownRun> {
    return (await this.ask<{ migrationRun: ShownRun }>(`{ migrationRun(id: "${id}") { ${runFields} } }`)).migrationRun;
  }

  /** Collects a run's events, over one subscription, until it ends; tells how that ended. */
  async follow(run: string, events: ShownEvent[]): Promise<string> {
    const answers = this.http.subscribe<{ migrationProgress: ShownEvent }>(progressQuery(run), this.admin);
    for (;;) {
      const { value, done } = await answers.next();
      if (done) return value;
      if (!value.data) return JSON.stringify(value.errors);
      events.push(value.data.migrationProgress);
    }
  }

  /** Writes to these tenants, one client each, until the signal is aborted. */
  async write(slugs: readonly string[], writes: Writes, signal: AbortSignal): Promise<void> {
    const client = async (slug: string) => {
      const headers = { ...this.admin, 'x-tenant': slug };
      for (let count = 1; !signal.aborted; count += 1) {
        const sku = `${slug}/${Date.now()}-${count}`;
        const input = `{ sku: "${sku}", name: "x", price: "1", currency: "EUR" }`;
        const start = performance.now();
        const { code, text } = await this.http.post(
          { query: `mutation { createProduct(input: ${input}) { id } }` },
          headers,
        );
        writes.longest.set(slug, Math.max(writes.longest.get(slug) ?? 0, performance.now() - start));
        if (code === undefined) writes.confirmed.push(sku);
        else if (code === 'SERVER_BUSY' || code === 'TENANT_BUSY') writes.refused.push(sku);
        else if (code === 'OUTCOME_UNKNOWN') writes.unknown.push(sku);
        else writes.problems.push(text);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await Promise.all(slugs.map(client));
  }
}

/** No writes yet. */
export function noWrites(): Writes {
  return { confirmed: [], refused: [], unknown: [], problems: [], longest: new Map() };
}
