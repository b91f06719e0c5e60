import type { Logger } from 'pino';
import type { ServerAddress } from '../../config/server-address.ts';
import { type AcceptedSessions, type ServerHost, showHost } from '../../config/server-hosts.ts';
import { messageOf } from '../../lib/errors.ts';
import { isUnreachable, sqlState } from '../sql/error-codes.ts';
import type { ServerConnection } from './connection.ts';

/** Opens a connection to a place. */
type OpenAt = (place: ServerHost) => Promise<ServerConnection>;

/** The host is a standby. Its server counts as one that does not answer. */
class StandbyError extends Error {
  constructor() {
    super('It is a read-only standby; use the URL of its primary');
  }
}

/** The sessions of the host only read. This may hold for one database or role, so it says nothing about the server. */
class ReadOnlySessionError extends Error {
  readonly code = sqlState.readOnlySqlTransaction;

  constructor() {
    super('Its sessions are read-only (default_transaction_read_only), and target_session_attrs is read-write');
  }
}

/**
 * The hosts of one server, of which one is the primary at a time. They are tried one after the other, beginning with the one that
 * was accepted last.
 */
export class HostList {
  readonly #server: string;
  readonly #log: Logger;
  /** In the order in which they are tried. */
  #hosts: readonly ServerHost[];
  readonly #accepts: AcceptedSessions;
  #accepted: ServerHost | undefined;

  /** @param server its name, for the log */
  constructor(server: string, { host, port, otherHosts = [], accepts = 'primary' }: ServerAddress, log: Logger) {
    this.#server = server;
    this.#log = log;
    this.#hosts = [{ host, port }, ...otherHosts];
    this.#accepts = accepts;
  }

  /** The host that was accepted last. */
  get current(): ServerHost | undefined {
    return this.#accepted ?? this.#hosts[0];
  }

  /**
   * Connects to the first host that accepts and has the right kind of sessions.
   * @throws the error of the host that was accepted last, or else that of a host that answered: one that cannot be reached says
   *   nothing about the role and the database; an AggregateError if several hosts cannot be used
   */
  async connect(open: OpenAt): Promise<ServerConnection> {
    const failures = new Map<ServerHost, unknown>();
    const before = this.#accepted;
    for (const host of this.#hosts) {
      try {
        const connection = await this.#connectTo(host, open);
        this.#accept(host);
        return connection;
      } catch (error) {
        failures.set(host, error);
      }
    }
    // A standby may be promoted. A machine that is gone costs a timeout each time.
    this.#tryLast((host) => isUnreachable(failures.get(host)) && !(failures.get(host) instanceof StandbyError));
    const errors = [...failures.values()];
    const decisive = before && failures.get(before);
    const refusal = errors.find((error) => !isUnreachable(error));
    if (decisive !== undefined && !isUnreachable(decisive)) throw decisive;
    if (before === undefined && refusal !== undefined) throw refusal;
    if (errors.length === 1) throw errors[0];
    const reasons = [...failures].map(([host, error]) => `${showHost(host)}: ${messageOf(error)}`);
    throw new AggregateError(errors, `none of its hosts can be used (${reasons.join('; ')})`, {
      cause: decisive ?? errors[0],
    });
  }

  /** From now on, tries this host after all others, because it no longer accepts changes. */
  demote({ host, port }: ServerHost): void {
    this.#tryLast((each) => each.host === host && each.port === port);
  }

  async #connectTo(host: ServerHost, open: OpenAt): Promise<ServerConnection> {
    const connection = await open(host);
    const refused = refusalOf(connection, this.#accepts);
    if (!refused) return connection;
    await connection.end();
    throw refused;
  }

  #accept(host: ServerHost): void {
    if (this.#accepted === host) return;
    if (this.#accepted) {
      const { server, from, to } = { server: this.#server, from: showHost(this.#accepted), to: showHost(host) };
      this.#log.warn({ server, from, to }, 'another host of a PostgreSQL server is its primary now');
    }
    this.#accepted = host;
    this.#tryLast((each) => each !== host);
  }

  #tryLast(isLast: (host: ServerHost) => boolean): void {
    this.#hosts = [...this.#hosts.filter((host) => !isLast(host)), ...this.#hosts.filter(isLast)];
  }
}

function refusalOf({ isStandby, isReadOnly }: ServerConnection, accepts: AcceptedSessions): Error | undefined {
  if (accepts === 'any') return undefined;
  if (isStandby) return new StandbyError();
  return accepts === 'read-write' && isReadOnly ? new ReadOnlySessionError() : undefined;
}
