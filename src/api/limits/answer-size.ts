import type { GraphQLError, GraphQLResolveInfo } from 'graphql';
import { tooMuch } from '../errors.ts';

/** How much one operation, or one event of a subscription, may answer. */
export interface AnswerLimits {
  readonly maxAnswerObjects: number;
  readonly maxAnswerBytes: number;
}

/** Counts the objects and bytes of an answer while it is made. */
export class AnswerSize {
  readonly #limits: AnswerLimits;
  #objects = 0;
  #bytes = 0;
  #refusal: GraphQLError | undefined;

  constructor(limits: AnswerLimits) {
    this.#limits = limits;
  }

  /** Why the answer is not made any further; undefined while it is within the limits. */
  get refusal(): GraphQLError | undefined {
    return this.#refusal;
  }

  /**
   * Adds what a field has resolved to, before any field inside it is resolved.
   * @param bytes what it takes in JSON, approximately
   * @throws {GraphQLError} BAD_USER_INPUT if the answer is beyond a limit
   */
  add(objects: number, bytes: number, info: GraphQLResolveInfo): void {
    this.#objects += objects;
    this.#bytes += bytes;
    const { maxAnswerObjects, maxAnswerBytes } = this.#limits;
    if (this.#objects > maxAnswerObjects) this.#refuse(`${maxAnswerObjects} objects`, info);
    if (this.#bytes > maxAnswerBytes) this.#refuse(`${maxAnswerBytes} bytes`, info);
  }

  /** Begins to count anew, for the next event of a subscription. */
  reset(): void {
    this.#objects = 0;
    this.#bytes = 0;
    this.#refusal = undefined;
  }

  #refuse(limit: string, { path, operation }: GraphQLResolveInfo): never {
    const done = operation.operation === 'mutation' ? ' Mutations before that point have been carried out.' : '';
    // One error for all fields that are refused from now on: making one costs more than resolving a field.
    this.#refusal ??= tooMuch(
      `The answer has more than ${limit}, which is the limit; it was reached at ${pathOf(path)}. ` +
        `Ask for smaller pages, for fewer fields, or in several requests.${done}`,
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
