/** Moving, cloning, importing or restoring a tenant. */
export interface Transfer {
  id: string;
  kind: 'MOVE' | 'CLONE' | 'IMPORT' | 'RESTORE';
  status: 'PENDING' | 'COPYING' | 'CATCHING_UP' | 'SWITCHING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  online: boolean;
  rowsCopied: number;
  rowsTotal: number | null;
  bytesCopied: number;
  pausedMs: number | null;
  error: string | null;
  createdAt: string;
  endedAt: string | null;
  tenant: { id: string; slug: string };
  from: { server: string; schema: string } | null;
  to: { server: string; schema: string };
}

/** A copy to which a tenant can be restored. */
export interface Checkpoint {
  id: string;
  name: string;
  kind: 'SNAPSHOT' | 'TRANSACTION';
  version: string | null;
  createdAt: string;
  sizeBytes: number | null;
}

/** How the tenant's tables differ from the entities. */
export interface Drift {
  isClean: boolean;
  sql: string[];
}

/** What looking at a tenant that needs attention has found. */
export interface Resolution {
  resolved: boolean;
  applied: string[];
  pending: string[];
  problems: string[];
  lastFailure: string | null;
}
