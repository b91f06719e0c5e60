import { type Config, ConfigError } from './config.ts';

/** A number of connections, or `auto`: processes divide what PostgreSQL has among them. */
export type Budget = number | 'auto';

/** What one process needs: connections that tenants cannot use, and two for tenants. */
const MIN_BUDGET = 5;

/**
 * Returns the configuration of one of several processes, which divide the connections.
 * @throws {ConfigError} if there are too few for so many processes
 */
export function dividedAmong(processes: number, config: Config): Config {
  const { budget } = config.connections;
  const withCount = { ...config, connections: { ...config.connections, processes } };
  // Each of them divides connections with all processes of the installation.
  if (budget === 'auto') return withCount;
  if (budget < processes * MIN_BUDGET) {
    throw new ConfigError([
      `CONNECTION_BUDGET must be at least ${processes * MIN_BUDGET} for ${processes} processes, ${MIN_BUDGET} for each`,
    ]);
  }
  return { ...withCount, connections: { ...withCount.connections, budget: shareOf(budget, processes) } };
}

/** Returns the part of a budget that one of several processes may use. It is never too small to work with. */
export function shareOf(budget: number, processes: number): number {
  return Math.max(Math.floor(budget / processes), MIN_BUDGET);
}

/** Returns the budget with which a process starts. */
export function firstBudget(budget: Budget): number {
  return budget === 'auto' ? MIN_BUDGET : budget;
}
