import {
  isConnectionFailure,
  isNullCharacter,
  isRefusedChange,
  isTransient,
  sqlState,
  sqlStateOf,
  violationOf,
} from '../postgres/sql/error-codes.ts';
import { refusalOfConstraint } from './entities/constraints.ts';

/** The response to a PostgreSQL error that the client can act on. */
export interface DatabaseRefusal {
  readonly code: 'SERVER_BUSY' | 'BAD_USER_INPUT' | 'CONFLICT';
  readonly message: string;
  /** The invalid field, if it is known. */
  readonly field?: string;
  /** When to retry; undefined if the same request would fail again. */
  readonly retryAfterMs?: number;
}

const tooLong: DatabaseRefusal = {
  code: 'SERVER_BUSY',
  message:
    'The database cancelled this request because it took too long. Request less, such as a smaller page or a narrower filter, or try again later.',
  retryAfterMs: 5000,
};

const shortOfResources: DatabaseRefusal = {
  code: 'SERVER_BUSY',
  message: 'The database is short of memory or disk space. Try again later.',
  retryAfterMs: 5000,
};

/**
 * The response to an error from PostgreSQL. It does not contain PostgreSQL's message, which may include other people's
 * data. A cancelled statement is reported as SERVER_BUSY because we cannot tell whether it did too much work or waited
 * for others.
 * @returns undefined for an error that is ours to fix
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function refusalOf(error: unknown): DatabaseRefusal | undefined {
  if (isNullCharacter(error)) {
    return { code: 'BAD_USER_INPUT', message: 'A string contains the character U+0000, which cannot be stored' };
  }
  if (isConnectionFailure(error)) {
    return {
      code: 'SERVER_BUSY',
      message: 'The database cannot be reached at present. Try again in a moment.',
      retryAfterMs: 1000,
    };
  }
  if (isRefusedChange(error)) {
    return {
      code: 'SERVER_BUSY',
      message: 'The database accepts no changes at present. Try again in a moment.',
      retryAfterMs: 1000,
    };
  }
  const state = sqlStateOf(error);
  switch (state) {
    case sqlState.queryCanceled:
    case sqlState.transactionTimeout:
    case sqlState.idleInTransactionTimeout:
      return tooLong;
    case sqlState.configurationLimitExceeded:
      return {
        code: 'BAD_USER_INPUT',
        message:
          'This needs more temporary space than a request may use. Request less, or change the order or the filter.',
      };
    case sqlState.outOfMemory:
      return shortOfResources;
    default:
      if (isTransient(error)) {
        return {
          code: 'SERVER_BUSY',
          message: 'This request conflicted with another one. Try again.',
          retryAfterMs: 1000,
        };
      }
  }
  switch (state?.slice(0, 2)) {
    case '23': {
      const violation = violationOf(error);
      return (violation && refusalOfConstraint(violation)) ?? constraintRefusal(state);
    }
    case '22':
      return { code: 'BAD_USER_INPUT', message: `${dataProblem(state)} Check the arguments.` };
    case '53':
      return shortOfResources;
    case '54':
      return {
        code: 'BAD_USER_INPUT',
        message: 'The request is too large or too complex for the database. Send shorter values, or request less.',
      };
    default:
      return undefined;
  }
}

function dataProblem(state: string | undefined): string {
  switch (state) {
    case sqlState.numberOutOfRange:
      return 'A number is too large or too small.';
    case sqlState.stringTruncation:
      return 'A text is too long.';
    case sqlState.invalidTextRepresentation:
      return 'A value such as an id, a number or a time is malformed.';
    default:
      return 'A value has a format or size that the database does not accept.';
  }
}

/**
 * The response to a violated constraint of a table that no entity describes. Modules should check values before they
 * write them, and name the field; this is for what they forgot and for races between two requests.
 */
function constraintRefusal(state: string | undefined): DatabaseRefusal {
  switch (state) {
    case sqlState.notNullViolation:
    case sqlState.checkViolation:
      return {
        code: 'BAD_USER_INPUT',
        message: 'A value is missing or is not one that the database allows here. Check the arguments.',
      };
    default:
      return {
        code: 'CONFLICT',
        message: 'This contradicts what is stored: something exists already, is still in use, or is gone.',
      };
  }
}
