import type { Catalog } from '../../catalog/catalog.ts';
import type { Servers } from '../../postgres/server.ts';
import type { TenantFiles } from '../../tenants/tenant-files.ts';

/** What an export needs. */
export interface ExportOptions {
  readonly catalog: Pick<Catalog, 'use'>;
  readonly servers: Pick<Servers, 'get'>;
  /** Opens what the modules keep of tenants outside of their databases. */
  readonly files: () => Promise<readonly TenantFiles[]>;
  /** Called with what is being exported and how much has been. */
  readonly onProgress?: (progress: ExportProgress) => void;
  readonly signal: AbortSignal;
}

/** The progress of an export. */
export interface ExportProgress {
  /** What is being exported, such as `the table products`. */
  readonly what: string;
  /** The rows so far. */
  readonly rows: number;
  readonly files: number;
  /** The bytes that were written so far. */
  readonly bytes: number;
}

/** What was exported. */
export interface Exported {
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  /** The bytes that were written. */
  readonly bytes: number;
}
