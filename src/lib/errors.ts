/** The codes that clients may rely on, as they stand in `extensions.code` of a GraphQL error, and what they mean. */
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

/** One of {@link errorCodes} that is thrown on purpose; what anything else becomes is INTERNAL_SERVER_ERROR. */
export type ErrorCode = Exclude<keyof typeof errorCodes, 'INTERNAL_SERVER_ERROR'>;

/**
 * An error that its reader can act on. Its message is shown to clients as it stands, so it says what happened, to what,
 * and what to do next, and holds nothing of another tenant and no secret.
 */
export class AppError extends Error {
  override readonly name: string = 'AppError';
  readonly code: ErrorCode;
  /** More fields for `extensions`, such as `field` or `retryAfterMs`; shown to clients. */
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
 * Input that breaks a rule of ours.
 * @param field the argument or field that is wrong, as the client named it
 */
export function badInput(field: string, message: string): AppError {
  return new AppError('BAD_USER_INPUT', message, { details: { field } });
}

/** The text of anything that was thrown, for messages and logs. */
export function messageOf(error: unknown): string {
  // A name with several addresses, none of which could be connected to: Node gives it no text of its own.
  if (error instanceof AggregateError && !error.message) return error.errors.map(messageOf).join('; ');
  // A zero byte is what no text in PostgreSQL can hold.
  return (error instanceof Error ? error.message : String(error)).replaceAll('\0', '');
}
