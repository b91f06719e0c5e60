import { Gauge, type Registry } from 'prom-client';
import type { Listener } from '../postgres/listener.ts';
import type { Servers } from '../postgres/server.ts';

/** What the state of one process is read from. */
export interface ProcessState {
  readonly servers: Servers;
  readonly listener: Pick<Listener, 'connected' | 'queueUsage'>;
}

/** Adds the state of this process to its metrics. It is read when they are. */
export function addProcessGauges(registry: Registry, { servers, listener }: ProcessState): void {
  const perServer = (name: string, help: string, read: (stats: Stats) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['server'],
      registers: [registry],
      collect() {
        this.reset();
        for (const server of servers.values()) {
          this.set({ server: server.name }, read({ ...server.stats, isDown: server.isDown }));
        }
      },
    });
  perServer(
    'tenantry_connections_open',
    'Connections to a PostgreSQL server, also while they open or close',
    (stats) => stats.open,
  );
  perServer('tenantry_connections_idle', 'Connections to a PostgreSQL server that nobody uses', (stats) => stats.idle);
  perServer(
    'tenantry_connections_limit',
    'Limit of connections to a PostgreSQL server: its budget',
    (stats) => stats.max,
  );
  perServer(
    'tenantry_connection_waiters',
    'Callers that wait for a connection to a PostgreSQL server',
    (stats) => stats.waiting,
  );
  perServer('tenantry_postgres_up', 'Whether the last attempt to connect to a PostgreSQL server succeeded', (stats) =>
    stats.isDown ? 0 : 1,
  );
  const single = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  single('tenantry_listener_connected', 'Whether notifications from auth are received', () =>
    Number(listener.connected),
  );
  single(
    'tenantry_notification_queue_usage_ratio',
    "How full PostgreSQL's notification queue was at the last heartbeat, from 0 to 1",
    () => listener.queueUsage,
  );
}

interface Stats {
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
  readonly max: number;
  readonly isDown: boolean;
}
