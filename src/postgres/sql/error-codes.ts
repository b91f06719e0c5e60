/**
 * The SQLSTATEs that the code tells apart, by the names that PostgreSQL's manual gives them.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const sqlState = {
  protocolViolation: '08P01',
  characterNotInRepertoire: '22021',
  untranslatableCharacter: '22P05',
  notNullViolation: '23502',
  uniqueViolation: '23505',
  foreignKeyViolation: '23503',
  checkViolation: '23514',
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  invalidCatalogName: '3D000',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  objectNotInPrerequisiteState: '55000',
  insufficientPrivilege: '42501',
  undefinedTable: '42P01',
  undefinedObject: '42704',
  duplicateTable: '42P07',
  duplicateDatabase: '42P04',
  duplicateSchema: '42P06',
  duplicateObject: '42710',
  withCheckOptionViolation: '44000',
  tooManyConnections: '53300',
  objectInUse: '55006',
  lockNotAvailable: '55P03',
  configurationLimitExceeded: '53400',
  idleInTransactionTimeout: '25P03',
  transactionTimeout: '25P04',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  internalError: 'XX000',
} as const;

const transientStates: ReadonlySet<string> = new Set([
  sqlState.serializationFailure,
  sqlState.deadlockDetected,
  sqlState.lockNotAvailable,
  sqlState.tooManyConnections,
  sqlState.objectInUse,
  sqlState.adminShutdown,
  sqlState.crashShutdown,
  sqlState.cannotConnectNow,
  '08000', // connection_exception
  '08003', // connection_does_not_exist
  '08006', // connection_failure
]);

const transientSystemErrors: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** The SQLSTATE of an error, or of the first cause below it that has one; undefined if PostgreSQL did not send it. */
export function sqlStateOf(error: unknown): string | undefined {
  return databaseError(error)?.code;
}

/** The name of the constraint that the error is about, if it is about one. */
export function constraintOf(error: unknown): string | undefined {
  return databaseError(error)?.constraint;
}

/** Whether PostgreSQL's detail of an error with this code shows the row that broke a rule, in whatever language it speaks. */
export function showsRow(code: unknown): boolean {
  const states: readonly unknown[] = [
    sqlState.notNullViolation,
    sqlState.checkViolation,
    sqlState.withCheckOptionViolation,
  ];
  return states.includes(code);
}

/** Whether a value could not be read as one of its column's type, or is out of range: class 22 of the SQLSTATEs. */
export function isDataException(error: unknown): boolean {
  return sqlStateOf(error)?.startsWith('22') ?? false;
}

/**
 * Whether a text holds U+0000, which PostgreSQL stores in none: in a parameter it ends the message too early, in a statement
 * or in JSON it is a character that cannot be.
 */
export function isNullCharacter(error: unknown): boolean {
  const states: readonly unknown[] = [
    sqlState.protocolViolation,
    sqlState.characterNotInRepertoire,
    sqlState.untranslatableCharacter,
  ];
  return states.includes(sqlStateOf(error));
}

/** Whether PostgreSQL could not be reached, or the connection to it broke: nothing that the statement itself did. */
export function isConnectionFailure(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state === sqlState.protocolViolation) return false;
  if (state) return state.startsWith('08') || state.startsWith('57P0') || state === sqlState.tooManyConnections;
  for (let current = error; current instanceof Error; current = current.cause) {
    if ('code' in current && transientSystemErrors.has(String(current.code))) return true;
    // node-postgres has no codes for these; the texts are those of its client.js and connection.js
    if (/^(Connection terminated|timeout expired|Client has encountered a connection error)/.test(current.message))
      return true;
  }
  return false;
}

/**
 * Whether an attempt to connect got no answer that PostgreSQL gives when it is up: the network's error, TLS's, or that it
 * starts or stops. One that is up may still refuse: a password, a database that is not there, too many connections.
 */
export function isUnreachable(error: unknown): boolean {
  const state = sqlStateOf(error);
  // A backend that is told to end while it starts says adminShutdown; a server that stops says cannotConnectNow to newcomers.
  const isUp = state === sqlState.tooManyConnections || state === sqlState.adminShutdown;
  return state === undefined || (!isUp && isConnectionFailure(error));
}

/**
 * Whether PostgreSQL refused a connection for the database's sake: it is shut, is not there, or the role may not enter it.
 * Statements fail with these codes for other reasons.
 */
export function isRefusedDatabase(error: unknown): boolean {
  const state = sqlStateOf(error);
  return (
    state === sqlState.objectNotInPrerequisiteState ||
    state === sqlState.invalidCatalogName ||
    state === sqlState.insufficientPrivilege
  );
}

/** Whether node-postgres gave up connecting, since its time had run out. */
export function isConnectTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout expired';
}

/** Whether the same statement may well succeed if it is tried again a little later. */
export function isTransient(error: unknown): boolean {
  return transientStates.has(sqlStateOf(error) ?? '') || isConnectionFailure(error);
}

/** What PostgreSQL said, whether node-postgres throws it or MikroORM, which copies its fields to an exception of its own. */
function databaseError(error: unknown): { readonly code: string; readonly constraint: string | undefined } | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    const code: unknown = Reflect.get(current, 'code');
    // Codes of the system may have five letters too, such as EPIPE.
    if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || 'syscall' in current) continue;
    const constraint: unknown = Reflect.get(current, 'constraint');
    return { code, constraint: typeof constraint === 'string' ? constraint : undefined };
  }
  return undefined;
}
