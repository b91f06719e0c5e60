/**
 * The SQLSTATEs that the code distinguishes, by their condition names in the PostgreSQL documentation.
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
  readOnlySqlTransaction: '25006',
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  invalidCatalogName: '3D000',
  restrictViolation: '23001',
  exclusionViolation: '23P01',
  stringTruncation: '22001',
  numberOutOfRange: '22003',
  invalidTextRepresentation: '22P02',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  objectNotInPrerequisiteState: '55000',
  insufficientPrivilege: '42501',
  syntaxError: '42601',
  undefinedTable: '42P01',
  undefinedObject: '42704',
  duplicateTable: '42P07',
  duplicateDatabase: '42P04',
  duplicateSchema: '42P06',
  duplicateObject: '42710',
  withCheckOptionViolation: '44000',
  outOfMemory: '53200',
  tooManyConnections: '53300',
  objectInUse: '55006',
  lockNotAvailable: '55P03',
  unsafeNewEnumValueUsage: '55P04',
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
  // Out of shared memory: other sessions hold most of the table of locks.
  sqlState.outOfMemory,
  sqlState.tooManyConnections,
  sqlState.objectInUse,
  sqlState.adminShutdown,
  sqlState.crashShutdown,
  sqlState.cannotConnectNow,
  // During a failover.
  sqlState.readOnlySqlTransaction,
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

/** Returns the SQLSTATE of an error or of its first cause that has one. Undefined if the error is not from PostgreSQL. */
export function sqlStateOf(error: unknown): string | undefined {
  return databaseError(error)?.code;
}

/** What PostgreSQL says about a value that a constraint has refused. It contains none of the data. */
export interface Violation {
  readonly code: string;
  readonly table: string | undefined;
  /** The name of the constraint; undefined for NOT NULL. */
  readonly constraint: string | undefined;
  /** The column that is missing; undefined for constraints with a name. */
  readonly column: string | undefined;
  /** Whether other rows refer to the row that was to be deleted or changed. */
  readonly isReferenced: boolean;
}

/** Returns the violated constraint; undefined for other errors. */
export function violationOf(error: unknown): Violation | undefined {
  const found = databaseError(error);
  if (!found?.code.startsWith('23')) return undefined;
  const { code, table, constraint, column, message } = found;
  // Both directions of a foreign key have the same code. The message may be translated; then this is not known.
  const isReferenced = code === sqlState.restrictViolation || message.startsWith('update or delete on table');
  return { code, table, constraint, column, isReferenced };
}

/** Returns the name of the violated constraint, if there is one. */
export function constraintOf(error: unknown): string | undefined {
  return databaseError(error)?.constraint;
}

/** Whether the detail of a PostgreSQL error with this code contains the row that violated a constraint. */
export function showsRow(code: unknown): boolean {
  const states: readonly unknown[] = [
    sqlState.notNullViolation,
    sqlState.checkViolation,
    sqlState.withCheckOptionViolation,
  ];
  return states.includes(code);
}

/** Whether a value has an invalid format or is out of range: SQLSTATE class 22. */
export function isDataException(error: unknown): boolean {
  return sqlStateOf(error)?.startsWith('22') ?? false;
}

/**
 * Whether PostgreSQL rejected a text that contains U+0000. The code depends on its position: in a parameter it breaks the
 * protocol message, in a statement or in JSON it is an invalid character.
 */
export function isNullCharacter(error: unknown): boolean {
  const states: readonly unknown[] = [
    sqlState.protocolViolation,
    sqlState.characterNotInRepertoire,
    sqlState.untranslatableCharacter,
  ];
  return states.includes(sqlStateOf(error));
}

/** Whether PostgreSQL could not be reached or the connection broke, regardless of the statement. */
export function isConnectionFailure(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state === sqlState.protocolViolation) return false;
  if (state) return state.startsWith('08') || state.startsWith('57P0') || state === sqlState.tooManyConnections;
  for (let current = error; current instanceof Error; current = current.cause) {
    if ('code' in current && transientSystemErrors.has(String(current.code))) return true;
    // node-postgres has no codes for these errors. The messages are from its client.js and connection.js.
    if (/^(Connection terminated|timeout expired|Client has encountered a connection error)/.test(current.message))
      return true;
  }
  return false;
}

/**
 * Whether a failed attempt to connect means that PostgreSQL is down: a network or TLS error, or a server that is starting or
 * stopping. A server that is up may still reject a connection: wrong password, missing database, too many connections.
 */
export function isUnreachable(error: unknown): boolean {
  const state = sqlStateOf(error);
  // A backend that is terminated while it starts sends adminShutdown. A server that is stopping sends cannotConnectNow.
  const isUp = state === sqlState.tooManyConnections || state === sqlState.adminShutdown;
  return state === undefined || (!isUp && isConnectionFailure(error));
}

/**
 * Whether PostgreSQL rejected a connection because of its database: it does not allow connections, does not exist, or the
 * role has no CONNECT privilege. Only for connection errors; statements fail with these codes for other reasons.
 */
export function isRefusedDatabase(error: unknown): boolean {
  const state = sqlStateOf(error);
  return (
    state === sqlState.objectNotInPrerequisiteState ||
    state === sqlState.invalidCatalogName ||
    state === sqlState.insufficientPrivilege
  );
}

/**
 * Whether a pooler, such as PgBouncer, refused a connection or ended it. It has one code for all reasons, which PostgreSQL uses for
 * messages that it cannot read, and does not end the connection.
 */
export function isPoolerFailure(error: unknown): boolean {
  const found = databaseError(error);
  return found?.code === sqlState.protocolViolation && found.severity === 'FATAL';
}

/**
 * Whether a pooler could not give a statement a session, so it was not sent to PostgreSQL. Newer versions of PgBouncer pass on
 * why PostgreSQL refused the login, with its code; no statement has such a code together with this severity.
 */
export function isSessionRefused(error: unknown): boolean {
  const found = databaseError(error);
  if (found?.severity !== 'FATAL') return false;
  return loginStates.has(found.code) || (isPoolerFailure(error) && neverSent.test(found.message));
}

const loginStates: ReadonlySet<string> = new Set([
  sqlState.invalidPassword,
  sqlState.invalidAuthorization,
  sqlState.invalidCatalogName,
  sqlState.objectNotInPrerequisiteState,
  sqlState.insufficientPrivilege,
  sqlState.tooManyConnections,
  sqlState.cannotConnectNow,
]);

/** How the messages of PgBouncer begin that end a connection before a statement of it was sent. */
const neverSent = /^(server login|query_wait_timeout|client_login_timeout|pause failed|database ".*" is disabled)/;

/** Whether node-postgres timed out while connecting, to one of the hosts if there are several. */
export function isConnectTimeout(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isConnectTimeout);
  return error instanceof Error && error.message === 'timeout expired';
}

/** Whether PostgreSQL refused a change because the server or the transaction only reads. Nothing was changed. */
export function isRefusedChange(error: unknown): boolean {
  return sqlStateOf(error) === sqlState.readOnlySqlTransaction;
}

/** Whether the statement may succeed if it is retried a little later. */
export function isTransient(error: unknown): boolean {
  return transientStates.has(sqlStateOf(error) ?? '') || isCatalogRace(error) || isConnectionFailure(error);
}

/**
 * Whether two sessions changed the same row of a system catalog at once, such as by creating the same role or extension, or
 * by granting privileges on the same object. PostgreSQL fails one of them with an error of the catalog itself, although the
 * statement is right.
 * @see https://www.postgresql.org/docs/current/catalogs.html
 */
export function isCatalogRace(error: unknown): boolean {
  const found = databaseError(error);
  if (found?.code === sqlState.uniqueViolation) return found.schema === 'pg_catalog';
  // PostgreSQL doesn't translate internal errors, and has no code of their own for these.
  return found?.code === sqlState.internalError && raceOfCatalog.test(found.message);
}

const raceOfCatalog =
  /(^|- )(tuple concurrently (updated|deleted)|cache lookup failed for|could not open relation with OID)/;

interface DatabaseError {
  readonly code: string;
  /** Such as ERROR or FATAL; PostgreSQL may translate it. */
  readonly severity: string | undefined;
  readonly message: string;
  readonly schema: string | undefined;
  readonly constraint: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
}

/** Finds PostgreSQL's error, thrown by node-postgres or by MikroORM, which copies its fields to its own exception. */
function databaseError(error: unknown): DatabaseError | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    const code: unknown = Reflect.get(current, 'code');
    // System error codes can have five letters too, such as EPIPE.
    if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || 'syscall' in current) continue;
    const found = current;
    const { message } = found;
    const text = (field: string) => textOf(found, field);
    const ofShard = onCitusNode.test(text('where') ?? '');
    const name = (field: string) => (ofShard ? text(field)?.replace(shardSuffix, '') : text(field));
    return {
      code,
      severity: text('severity'),
      message,
      schema: text('schema'),
      constraint: name('constraint'),
      table: name('table'),
      column: text('column'),
    };
  }
  return undefined;
}

/** The context of an error that a node of a Citus cluster has reported. Its texts are not translated. */
const onCitusNode = /^while executing command on \S+:\d+$/m;

/** What Citus appends to the names of a table, its indexes and its constraints on the node that has it. */
const shardSuffix = /_\d{6,}$/;

function textOf(error: Error, field: string): string | undefined {
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : undefined;
}
