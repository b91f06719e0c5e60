import type { EntityManager } from '@mikro-orm/postgresql';
import { Currency } from './currency.entity.ts';

/** Lookups for resolvers in the data that all tenants share. */
export interface SharedConstants {
  /** Finds the ISO 4217 currency with this code, such as `EUR`. */
  currency(code: string): Promise<Currency | undefined>;
}

/** Creates lookups in the constants database. */
export function sharedConstants(database: { fork(): EntityManager }): SharedConstants {
  return {
    currency: async (code) => (await database.fork().findOne(Currency, { code })) ?? undefined,
  };
}
