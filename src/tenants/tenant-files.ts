/** A file of a tenant. */
export interface TenantFile {
  /** Unique in the tenant, among the files of one {@link TenantFiles}. */
  readonly name: string;
  readonly bytes: number;
}

/**
 * The files that one module keeps of tenants outside of their databases, such as in a bucket. Clones, exports and imports go
 * through it, and so does the deletion of a tenant. Tenants are named by their ids.
 */
export interface TenantFiles {
  /** Names them in archives: 1 to 40 characters of a to z, 0 to 9 and `-`, unique among the modules. */
  readonly kind: string;
  /** Lists a tenant's files, in any order. */
  list(tenant: string): AsyncIterable<TenantFile>;
  /**
   * Reads a file.
   * @param signal ends the stream
   * @returns undefined if it does not exist
   */
  read(tenant: string, file: TenantFile, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * Stores a file, in place of one with the same name. If `content` throws, nothing is stored and that error is thrown.
   * @param file its `bytes` are how many `content` has
   * @throws {AppError} BAD_USER_INPUT if the module gives no file such a name
   */
  write(tenant: string, file: TenantFile, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Copies all files of one tenant to another one. Idempotent. */
  copyAll(from: string, to: string): Promise<void>;
  /** Removes all files of a tenant. Called while the tenant is deleted, until it succeeds. Idempotent. */
  removeAll(tenant: string): Promise<void>;
}
