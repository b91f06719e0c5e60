import type { EntitySchema } from '@mikro-orm/postgresql';

/** A part of the product that is built on the platform. */
export interface TenantModule {
  /** What every tenant has of it, each declared with `schema: '*'`. */
  readonly entities: readonly EntitySchema[];
  /** Loads the file that adds to the GraphQL API. Nothing else needs it, and commands start sooner without it. */
  schema(): Promise<unknown>;
}
