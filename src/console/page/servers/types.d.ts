/** A PostgreSQL server that holds tenants. */
export interface DatabaseServer {
  name: string;
  host: string;
  port: number;
  /** The host and port of its connection pooler. */
  pooler: string | null;
  tenantCount: number;
  connectionBudget: number;
  connectionLimit: number | null;
  processes: number;
  processConnections: number;
  connectionsInUse: number;
  acceptsTenants: boolean;
}

/** A server with the nodes of its Citus cluster. */
export interface ServerNodes {
  name: string;
  nodes: { address: string; isActive: boolean; tenantCount: number }[];
}

/** Whether the system databases, the servers and their poolers answer. */
export interface Health {
  status: 'OK' | 'DEGRADED' | 'DOWN';
  databases: { name: string; server: string; ok: boolean; latencyMs: number | null; error: string | null }[];
}
