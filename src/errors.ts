/** The codes that clients may rely on, as they stand in `extensions.code` of a GraphQL error. */
export const errorCodes = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'TENANT_REQUIRED',
  'TENANT_NOT_FOUND',
  'TENANT_SUSPENDED',
  'TENANT_BUSY',
  'SLUG_TAKEN',
  'HOST_TAKEN',
  'BAD_USER_INPUT',
  'NOT_FOUND',
  'CONFLICT',
  'SERVER_BUSY',
  'MIGRATION_CHANGED',
  'MIGRATION_UNKNOWN',
  'IRREVERSIBLE',
  'RATE_LIMITED',
] as const;

/** One of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number];

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
