import type { Readable } from 'node:stream';

/** Holds the bytes of files by keys. Every tenant has a prefix of its own; see {@link fileKey}. */
export interface FileStore {
  /**
   * Stores bytes under a key, in place of what was there. If `bytes` throws, nothing is stored and that error is thrown.
   * @param size how many bytes there are
   */
  write(key: string, bytes: AsyncIterable<Uint8Array>, size: number): Promise<void>;
  /**
   * Reads bytes, from the first to the last one inclusive.
   * @returns undefined if there is nothing under the key
   */
  read(key: string, range: ByteRange, signal: AbortSignal): Promise<Readable | undefined>;
  /** Lists what is stored under keys with this prefix. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Copies everything under one prefix to another one. Idempotent. */
  copyAll(from: string, to: string): Promise<void>;
  /** Deletes what is under a key, also what an interrupted process has left of it. Idempotent. */
  delete(key: string): Promise<void>;
  /** Deletes everything under a prefix. Idempotent. */
  deleteAll(prefix: string): Promise<void>;
}

/** The positions of the first and the last byte. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Something in a store. */
export interface StoredObject {
  readonly key: string;
  /** In bytes. */
  readonly size: number;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The prefix of a tenant's keys. A tenant keeps its id when it is renamed or moved.
 * @throws {Error} if the id is not a UUID in lower case
 */
export function prefixOf(tenant: string): string {
  // What reaches the store is checked here once more, since a prefix of another form could reach other tenants' files.
  if (!uuid.test(tenant)) throw new Error(`${JSON.stringify(tenant)} is not an id`);
  return `${tenant}/`;
}

/** Whether a text can be the id of a file: a UUID in lower case. */
export function isFileId(text: string): boolean {
  return uuid.test(text);
}

/** The key of a tenant's file. @throws {Error} if an id is not a UUID in lower case */
export function fileKey(tenant: string, file: string): string {
  if (!isFileId(file)) throw new Error(`${JSON.stringify(file)} is not an id`);
  return prefixOf(tenant) + file;
}
