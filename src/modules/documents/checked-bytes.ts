import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AppError } from '../../platform.ts';
import type { UploadGrant } from './file-urls.ts';

/** The body of an upload, which is checked while it passes through. */
export class CheckedBytes implements AsyncIterable<Uint8Array> {
  readonly #request: IncomingMessage;
  readonly #grant: UploadGrant;
  readonly #hash: Hash = createHash('sha256');
  /** The hash of the content in hexadecimal, when all of it has passed. */
  sha256 = '';

  constructor(request: IncomingMessage, grant: UploadGrant) {
    this.#request = request;
    this.#grant = grant;
  }

  /**
   * The last bytes are held back until everything is checked, so that a store that knows the size never has all of a wrong body.
   * @throws {AppError} BAD_USER_INPUT if the size or the hash is another one
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    let last: Uint8Array | undefined;
    // Destroying the request would close the connection before the response is sent.
    for await (const chunk of this.#request.iterator({ destroyOnReturn: false })) {
      // Without an encoding, a request's chunks are buffers.
      const next = chunk as Buffer;
      bytes += next.length;
      if (bytes > this.#grant.size) throw wrongSize(this.#grant, undefined, 413);
      this.#hash.update(next);
      if (last) yield last;
      last = next;
    }
    if (bytes !== this.#grant.size) throw wrongSize(this.#grant, bytes);
    this.sha256 = this.#hash.digest('hex');
    if (this.#grant.sha256 !== undefined && this.#grant.sha256 !== this.sha256) throw wrongHash(this.sha256);
    if (last) yield last;
  }
}

/** @param bytes how many there are; undefined if there are more */
export function wrongSize({ size }: UploadGrant, bytes: number | undefined, status = 400): AppError {
  const found = bytes === undefined ? 'more' : bytes;
  return new AppError(
    'BAD_USER_INPUT',
    `The URL is for ${size} bytes, and the body has ${found}. Nothing was stored.`,
    {
      details: { field: 'size', http: { status } },
    },
  );
}

function wrongHash(sha256: string): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `The SHA-256 of the body is ${sha256}, which is not the announced one. Nothing was stored.`,
    { details: { field: 'sha256' } },
  );
}
