import type { GraphQLError, GraphQLResolveInfo } from 'graphql';
import { tooMuch } from '../errors.ts';

/** The limits of the response of one operation, or of one event of a subscription. */
export interface AnswerLimits {
  readonly maxAnswerObjects: number;
  readonly maxAnswerBytes: number;
}

/** Counts the objects and bytes of a response while it is built. */
export class AnswerSize {
  readonly #limits: AnswerLimits;
  #objects = 0;
  #bytes = 0;
  #refusal: GraphQLError | undefined;

  constructor(limits: AnswerLimits) {
    this.#limits = limits;
  }

  /** Why the response was stopped; undefined while it is within the limits. */
  get refusal(): GraphQLError | undefined {
    return this.#refusal;
  }

  /**
   * The maximum size of what one field may read, in bytes: more than any response, because JSON from the database has the
   * names of all columns.
   */
  get maxReadBytes(): number {
    return 2 * this.#limits.maxAnswerBytes;
  }

  /**
   * Adds the value of a field, before any field inside it is resolved.
   * @param bytes the approximate size in JSON
   * @throws {GraphQLError} BAD_USER_INPUT if the response exceeds a limit
   */
  add(objects: number, bytes: number, info: GraphQLResolveInfo): void {
    this.#objects += objects;
    this.#bytes += bytes;
    const { maxAnswerObjects, maxAnswerBytes } = this.#limits;
    if (this.#objects > maxAnswerObjects) this.#refuse(`${maxAnswerObjects} objects`, info);
    if (this.#bytes > maxAnswerBytes) this.#refuse(`${maxAnswerBytes} bytes`, info);
  }

  /** Resets the counters for the next event of a subscription. */
  reset(): void {
    this.#objects = 0;
    this.#bytes = 0;
    this.#refusal = undefined;
  }

  #refuse(limit: string, { path, operation }: GraphQLResolveInfo): never {
    const done = operation.operation === 'mutation' ? ' Mutations before that point have been carried out.' : '';
    // All later fields share one error: creating one costs more than resolving a field.
    this.#refusal ??= tooMuch(
      `The response exceeds the limit of ${limit}, which was reached at ${pathOf(path)}. ` +
        `Request smaller pages or fewer fields, or split the request.${done}`,
    );
    throw this.#refusal;
  }
}

function pathOf(path: GraphQLResolveInfo['path'] | undefined): string {
  const names: string[] = [];
  for (let at = path; at; at = at.prev) {
    if (typeof at.key === 'string') names.unshift(at.key);
  }
  return names.join('.');
}
