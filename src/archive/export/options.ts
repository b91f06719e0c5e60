import type { Servers } from '../../postgres/server.ts';
import type { TenantFiles } from '../../tenants/tenant-files.ts';

/** What an export needs. */
export interface ExportOptions {
  readonly servers: Pick<Servers, 'get'>;
  /** Opens what the modules keep of tenants outside of their databases. */
  readonly files: () => Promise<readonly TenantFiles[]>;
  /** Called with what is being exported, such as `the table products`, and the number of its rows or bytes so far. */
  readonly onProgress?: (what: string, count: number) => void;
  readonly signal: AbortSignal;
}

/** What was exported. */
export interface Exported {
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  /** The bytes that were written. */
  readonly bytes: number;
}
