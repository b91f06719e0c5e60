/** The codes that clients can rely on, sent as `extensions.code` of a GraphQL error, and their meanings. */
export const errorCodes = {
  UNAUTHENTICATED: 'The token is missing, invalid or expired. Sent with HTTP status 401.',
  FORBIDDEN: 'The token is valid but does not allow this.',
  TENANT_REQUIRED: 'The request must name a tenant.',
  TENANT_NOT_FOUND: 'The tenant does not exist.',
  TENANT_SUSPENDED: 'The tenant is currently not served.',
  TENANT_BUSY: 'An operation on the tenant is in progress. Try again after `retryAfterMs`.',
  SLUG_TAKEN: 'Another tenant has this slug.',
  HOST_TAKEN: 'Another tenant has this host.',
  BAD_USER_INPUT: 'The request is invalid. `field` names the argument, if one is at fault.',
  PERSISTED_QUERY_NOT_FOUND: 'No persisted document has this id. Send the document.',
  PERSISTED_QUERY_NOT_SUPPORTED: 'The server has no persisted documents. Send the document.',
  NOT_FOUND: 'The requested object does not exist.',
  CONFLICT: 'The request conflicts with the current state.',
  SERVER_BUSY: 'A database is busy, too slow or unreachable. Try again after `retryAfterMs`.',
  OUTCOME_UNKNOWN:
    'The connection to a database ended during a change, which may or may not have been made. Check before you repeat it.',
  MIGRATION_CHANGED: "A migration's file has changed since it was applied, or a backfill's since its first batch.",
  MIGRATION_UNKNOWN: 'A tenant has a migration whose file is missing.',
  IRREVERSIBLE: 'A migration to be reverted has no `down()`.',
  RATE_LIMITED: 'Too many attempts or concurrent operations. Try again after `retryAfterMs`.',
  INTERNAL_SERVER_ERROR: 'The server failed. Find the cause in its log by `requestId`.',
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
