/** What became of one GraphQL operation. */
export interface FinishedOperation {
  /** Its name in the document, which the client chose; undefined if it has none or is not valid. */
  readonly name: string | undefined;
  /** Undefined if the request was refused before its document was valid. */
  readonly type: 'query' | 'mutation' | 'subscription' | undefined;
  /** The code of its first error; undefined without errors. */
  readonly code: string | undefined;
  /** Whether the caller has a valid token. */
  readonly isAuthenticated: boolean;
  /** Until its result was complete or, for a subscription, until it started. */
  readonly durationMs: number;
}

/** Receives what is counted while the installation works. Every method is cheap and never throws. */
export interface Meters {
  operation(finished: FinishedOperation): void;
  /** @param isOfRequest whether a request sent it, and not the work of this process itself */
  statement(server: string, isOfRequest: boolean, durationMs: number): void;
  /** A caller had to wait for a connection, or for a new one to open. */
  connectionWait(server: string, durationMs: number): void;
  /** A caller got no connection in time. */
  connectionRefused(server: string): void;
  signIn(method: 'login' | 'register' | 'refresh', outcome: 'ok' | 'refused' | 'limited' | 'failed'): void;
  /** The published keys of an identity provider were requested. */
  keysFetched(issuer: string, isOk: boolean): void;
  /** An attempt at a tenant of a run has ended in this process. */
  runTenant(outcome: 'succeeded' | 'skipped' | 'failed' | 'released', durationMs: number): void;
}

const ignore = () => undefined;

/** Counts nothing, for commands. */
export const noMeters: Meters = {
  operation: ignore,
  statement: ignore,
  connectionWait: ignore,
  connectionRefused: ignore,
  signIn: ignore,
  keysFetched: ignore,
  runTenant: ignore,
};
