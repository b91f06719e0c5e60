import { LRUCache } from 'lru-cache';
import type { Config, ShareLimits } from '../../config/config.ts';
import { AppError } from '../../lib/errors.ts';
import { operationOver } from '../../routing/operation-scope.ts';
import { Activity, Share } from './share.ts';

/** Tenants, and callers, of whom is remembered what they use. */
const KNOWN = 10_000;
/** Operations that wait of one caller, and of all callers of one tenant. */
const MAX_WAITING = { caller: 100, tenant: 400 };
/**
 * For how long a connection is held free of charge, in milliseconds: what everyday statements take is as much the fault of
 * others, who keep this process or PostgreSQL busy, as their own.
 */
const FREE_MS = 100;
/** How often those that wait are looked at, in milliseconds, also when no operation ends. */
const LOOK_MS = 50;

/** Whose share an operation uses. */
export interface Owner {
  /** The tenant, or what stands for one where callers act outside of tenants. */
  readonly tenant: string;
  readonly caller: string;
}

/** An operation that has been let in. */
export interface Admitted {
  /** Charges for a connection that it held for some milliseconds. */
  charge(ms: number): void;
  /** Must be called once, when it has ended. */
  leave(): void;
}

interface Waiter {
  readonly cost: number;
  readonly deadline: number;
  admit(now: number): void;
  refuse(error: AppError): void;
}

class Tenant extends Share {
  readonly activity = new Activity();
  /** Callers who have operations that wait; whoever has been served goes to the end. */
  readonly waiting = new Set<Caller>();
  waiters = 0;
  look: NodeJS.Timeout | undefined;
}

class Caller extends Share {
  readonly tenant: Tenant;
  /** In the order in which they came. */
  readonly line: Waiter[] = [];

  constructor(tenant: Tenant, limits: ShareLimits, now: number) {
    super(limits, now);
    this.tenant = tenant;
  }
}

/**
 * Lets operations in so that one tenant cannot be felt by another, nor one caller by others of the same tenant. What is
 * beyond a share waits in its caller's own queue; callers of one tenant take turns, and tenants have no queue in common.
 * There is no limit for all together: a few tenants with slow statements could fill it, and stop everybody.
 */
export class Admission {
  readonly #limits: Config['shares'];
  readonly #maxCost: number;
  readonly #tenants = new LRUCache<string, Tenant>({ max: KNOWN });
  readonly #callers = new LRUCache<string, Caller>({ max: KNOWN });
  readonly #activity = new Activity();
  /** Stands for all platform admins. */
  readonly #admins: Share;

  constructor({ shares, graphql }: Pick<Config, 'shares'> & { readonly graphql: Pick<Config['graphql'], 'maxCost'> }) {
    this.#limits = shares;
    this.#maxCost = graphql.maxCost;
    this.#admins = new Share(shares.tenant, performance.now());
  }

  /**
   * Lets an operation in, at once if it can be.
   * @param signal ends the waiting
   * @throws {AppError} RATE_LIMITED
   */
  enter(owner: Owner, cost: number, signal: AbortSignal): Admitted | Promise<Admitted> {
    const now = performance.now();
    const caller = this.#find(owner, now);
    const { tenant } = caller;
    this.#note(caller, now);
    if (tenant.waiters > 0) this.#serve(tenant);
    if (caller.line.length === 0 && this.#hasRoom(caller, now)) return this.#admit(caller, cost, now);
    return this.#wait(caller, cost, signal, now);
  }

  /** Lets an operation of a platform admin in, who has no limit; tenants keep to their shares then, as beside each other. */
  enterAsAdmin(): Admitted {
    this.#activity.note(this.#admins, performance.now());
    return { charge: () => undefined, leave: () => undefined };
  }

  /**
   * Counts a subscription.
   * @returns to be called when it ends
   * @throws {AppError} RATE_LIMITED
   */
  subscribe(owner: Owner): () => void {
    const caller = this.#find(owner, performance.now());
    const shares = [caller.tenant, caller];
    if (shares.some(({ subscriptions, limits }) => subscriptions >= limits.subscriptions)) {
      throw rateLimited('Too many subscriptions are open at once. End one, or try again later.', 1000);
    }
    for (const share of shares) share.subscriptions += 1;
    return () => {
      for (const share of shares) share.subscriptions -= 1;
    };
  }

  #find({ tenant, caller }: Owner, now: number): Caller {
    let its = this.#tenants.get(tenant);
    if (!its) {
      its = new Tenant(this.#limits.tenant, now);
      this.#tenants.set(tenant, its);
    }
    const key = `${tenant} ${caller}`;
    const known = this.#callers.get(key);
    if (known?.tenant === its) return known;
    const found = new Caller(its, this.#limits.caller, now);
    this.#callers.set(key, found);
    return found;
  }

  #note(caller: Caller, now: number): void {
    this.#activity.note(caller.tenant, now);
    caller.tenant.activity.note(caller, now);
  }

  #hasRoom(caller: Caller, now: number): boolean {
    const { tenant } = caller;
    return (
      caller.hasRoom(tenant.activity.isAlone(caller, now), now) &&
      tenant.hasRoom(this.#activity.isAlone(tenant, now), now)
    );
  }

  #admit(caller: Caller, cost: number, now: number): Admitted {
    const { tenant } = caller;
    const part = cost / this.#maxCost;
    const ends = [
      caller.start(cost, part, tenant.activity.isAlone(caller, now), now),
      tenant.start(cost, part, this.#activity.isAlone(tenant, now), now),
    ];
    return {
      charge: (heldMs) => {
        const ms = heldMs - FREE_MS;
        if (ms <= 0) return;
        const then = performance.now();
        caller.charge(ms, tenant.activity.isAlone(caller, then), then);
        tenant.charge(ms, this.#activity.isAlone(tenant, then), then);
      },
      leave: () => {
        for (const end of ends) end();
        this.#note(caller, performance.now());
        if (tenant.waiters > 0) this.#serve(tenant);
      },
    };
  }

  #wait(caller: Caller, cost: number, signal: AbortSignal, now: number): Promise<Admitted> {
    const { tenant, line } = caller;
    if (line.length >= MAX_WAITING.caller || tenant.waiters >= MAX_WAITING.tenant) throw this.#refusal(caller, now);
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', giveUp);
        line.splice(line.indexOf(waiter), 1);
        tenant.waiters -= 1;
        if (line.length === 0) tenant.waiting.delete(caller);
      };
      const waiter: Waiter = {
        cost,
        deadline: now + this.#limits.waitMs,
        admit: (then) => {
          leave();
          resolve(this.#admit(caller, cost, then));
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const giveUp = () => waiter.refuse(operationOver());
      signal.addEventListener('abort', giveUp);
      line.push(waiter);
      tenant.waiters += 1;
      tenant.waiting.add(caller);
      tenant.look ??= setTimeout(() => this.#look(tenant), LOOK_MS);
    });
  }

  /** Lets in whoever has room now, and refuses those who have waited too long. */
  #look(tenant: Tenant): void {
    const now = performance.now();
    this.#serve(tenant);
    for (const caller of tenant.waiting) {
      for (const waiter of caller.line.filter(({ deadline }) => deadline <= now)) {
        waiter.refuse(this.#refusal(caller, now));
      }
    }
    tenant.look = tenant.waiters > 0 ? setTimeout(() => this.#look(tenant), LOOK_MS) : undefined;
  }

  #serve(tenant: Tenant): void {
    const now = performance.now();
    // A caller who is put at the end while the set is gone through is visited again.
    for (const caller of tenant.waiting) {
      if (!this.#hasRoom(caller, now)) continue;
      caller.line[0]?.admit(now);
      if (!tenant.waiting.delete(caller)) continue;
      tenant.waiting.add(caller);
    }
  }

  #refusal(caller: Caller, now: number): AppError {
    const ms = Math.max(caller.spentForMs(now), caller.tenant.spentForMs(now), 1000);
    return rateLimited('Too many operations at once, or too costly ones. Send fewer, or ask for less.', ms);
  }
}

function rateLimited(message: string, ms: number): AppError {
  const retryAfterMs = Math.ceil(ms);
  const headers = { 'retry-after': String(Math.ceil(ms / 1000)) };
  return new AppError('RATE_LIMITED', message, { details: { retryAfterMs, http: { status: 429, headers } } });
}
