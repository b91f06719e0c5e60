import { afterAll, afterEach, beforeAll } from 'vitest';
import { Fleet } from './fleet.ts';

/** A fleet of both isolations, which the tests of a file share. */
export interface MixedFleet {
  readonly fleet: Fleet;
  /** Its tenants, in the order in which they are migrated. */
  readonly slugs: readonly string[];
  /** Migrations that no tenant has; they are removed after the test. */
  readonly tried: string[];
  /** Adds a migration that is dated after all others; gives its name. */
  add(...statements: readonly string[]): Promise<string>;
}

/** Starts a fleet of two databases and two schemas for the tests of a file. */
export function useMixedFleet(): MixedFleet {
  let fleet: Fleet;
  let count = 0;
  const tried: string[] = [];
  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({
      'alpha-db': 'DATABASE',
      'beta-schema': 'SCHEMA',
      'gamma-db': 'DATABASE',
      'delta-schema': 'SCHEMA',
    });
  });
  afterEach(() => fleet.migrations.remove(...tried.splice(0)));
  afterAll(() => fleet[Symbol.asyncDispose]());
  return {
    get fleet() {
      return fleet;
    },
    slugs: ['alpha-db', 'beta-schema', 'gamma-db', 'delta-schema'],
    tried,
    async add(...statements) {
      count += 1;
      const name = `2027010100${String(count).padStart(4, '0')}_change`;
      await fleet.migrations.add(name, ...statements);
      return name;
    },
  };
}
