/** The codes that clients can rely on, sent as `extensions.code` of a GraphQL error, and their meanings. */
export const errorCodes = {
  UNAUTHENTICATED: 'There is no token, or it cannot be verified or has expired; sent with HTTP status 401.',
  FORBIDDEN: 'The token is good, and does not allow this.',
  TENANT_REQUIRED: 'The request names no tenant, and needs one.',
  TENANT_NOT_FOUND: 'There is no such tenant.',
  TENANT_SUSPENDED: 'The tenant is not served at present.',
  TENANT_BUSY: 'The tenant is being worked on; try again after `retryAfterMs`.',
  SLUG_TAKEN: 'Another tenant has this slug.',
  HOST_TAKEN: 'Another tenant has this host.',
  BAD_USER_INPUT: 'The request is wrong; `field` says which argument, if it is one.',
  NOT_FOUND: 'What the arguments name is not there.',
  CONFLICT: 'It does not fit what is there.',
  SERVER_BUSY: 'A database is busy, takes too long or cannot be reached; try again after `retryAfterMs`.',
  MIGRATION_CHANGED: "A migration's file is not what was applied.",
  MIGRATION_UNKNOWN: 'A tenant has a migration whose file is gone.',
  IRREVERSIBLE: 'A migration that is to be taken back has no `down()`.',
  RATE_LIMITED: 'Too many attempts, or operations at once; try again after `retryAfterMs`.',
  INTERNAL_SERVER_ERROR: 'It went wrong on our side; `requestId` finds it in the log.',
} as const;

/** One of {@link errorCodes} that is thrown deliberately. Any other error becomes INTERNAL_SERVER_ERROR. */
export type ErrorCode = Exclude<keyof typeof errorCodes, 'INTERNAL_SERVER_ERROR'>;

/**
 * An error that its reader can act on. Clients see its message unchanged, so it says what happened, to what, and what to do
 * next. It must not contain secrets or another tenant's data.
 */
export class AppError extends Error {
  override readonly name: string = 'AppError';
  readonly code: ErrorCode;
  /** More fields for `extensions`, such as `field` or `retryAfterMs`. Clients see them. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/**
 * Creates the error for invalid input.
 * @param field the invalid argument or field, by the client's name for it
 */
export function badInput(field: string, message: string): AppError {
  return new AppError('BAD_USER_INPUT', message, { details: { field } });
}

/** Returns the message of anything that was thrown, for messages and logs. */
export function messageOf(error: unknown): string {
  // When a host has several addresses and none can be reached, Node throws an AggregateError without a message.
  if (error instanceof AggregateError && !error.message) return error.errors.map(messageOf).join('; ');
  // PostgreSQL cannot store a zero byte in a text.
  return (error instanceof Error ? error.message : String(error)).replaceAll('\0', '');
}
