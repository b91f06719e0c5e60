import { LRUCache } from 'lru-cache';
import type { Config, ShareLimits } from '../../config/config.ts';
import { AppError } from '../../lib/errors.ts';
import { operationEnded } from '../../routing/operation-scope.ts';
import { Activity, Share } from './share.ts';
import { Turns } from './turns.ts';

/** How many tenants, and how many callers, are tracked. */
const MAX_TRACKED = 10_000;
/** The maximum number of waiting operations, per caller and per tenant. */
const MAX_WAITING = { caller: 100, tenant: 400 };
/**
 * How long a connection may be held without charge, in milliseconds. The duration of short statements depends as much
 * on the load of this process and of PostgreSQL as on the statements themselves.
 */
const FREE_MS = 100;
/** How often waiting operations are checked even if no operation ends, in milliseconds. */
const CHECK_MS = 50;
/** Operations take turns if they cost at least this part of the largest allowed cost. */
const EXPENSIVE = 0.1;

/** The tenant and caller whose shares an operation uses. */
export interface Owner {
  /** The tenant's id, or a substitute for callers who act outside of tenants. */
  readonly tenant: string;
  readonly caller: string;
}

/** An admitted operation. */
export interface Admitted {
  /** Charges for holding a connection, in milliseconds. */
  charge(ms: number): void;
  /** Waits, if it has to, until the operation may process the rows of a query. */
  turn(): Promise<void> | undefined;
  /** Must be called once, when the operation has ended. */
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
  /** Callers with waiting operations; a caller who has been served moves to the end. */
  readonly waiting = new Set<Caller>();
  waiters = 0;
  timer: NodeJS.Timeout | undefined;
}

class Caller extends Share {
  readonly tenant: Tenant;
  /** First in, first out. */
  readonly queue: Waiter[] = [];

  constructor(tenant: Tenant, limits: ShareLimits, now: number) {
    super(limits, now);
    this.tenant = tenant;
  }
}

/**
 * Admits operations so that no tenant can slow down another one, nor a caller the other callers of the tenant. An
 * operation beyond a share waits in the queue of its caller; the callers of a tenant take turns, and tenants share no
 * queue. There is no global limit: a few tenants with slow statements could exhaust it and block everyone.
 */
export class Admission {
  readonly #limits: Config['shares'];
  readonly #maxCost: number;
  readonly #tenants = new LRUCache<string, Tenant>({ max: MAX_TRACKED });
  readonly #callers = new LRUCache<string, Caller>({ max: MAX_TRACKED });
  readonly #activity = new Activity();
  readonly #turns = new Turns();
  /** The share of all platform admins together. */
  readonly #admins: Share;

  constructor({ shares, graphql }: Pick<Config, 'shares'> & { readonly graphql: Pick<Config['graphql'], 'maxCost'> }) {
    this.#limits = shares;
    this.#maxCost = graphql.maxCost;
    this.#admins = new Share(shares.tenant, performance.now());
  }

  /**
   * Admits an operation, at once if possible.
   * @param signal cancels the wait
   * @throws {AppError} RATE_LIMITED
   */
  enter(owner: Owner, cost: number, signal: AbortSignal): Admitted | Promise<Admitted> {
    const now = performance.now();
    const caller = this.#find(owner, now);
    const { tenant } = caller;
    this.#note(caller, now);
    if (tenant.waiters > 0) this.#serve(tenant);
    if (caller.queue.length === 0 && this.#hasRoom(caller, now)) return this.#admit(caller, cost, now);
    return this.#wait(caller, cost, signal, now);
  }

  /**
   * Admits an operation of a platform admin, who has no limit. It counts as activity, so tenants then keep to their
   * shares.
   */
  enterAsAdmin(): Admitted {
    this.#activity.note(this.#admins, performance.now());
    return { charge: () => undefined, turn: () => undefined, leave: () => undefined };
  }

  /**
   * Counts a subscription.
   * @returns a function to call when it ends
   * @throws {AppError} RATE_LIMITED
   */
  subscribe(owner: Owner): () => void {
    return this.#count(owner, 'subscriptions');
  }

  /**
   * Counts a WebSocket. There can be as many as subscriptions.
   * @returns a function to call when it is closed
   * @throws {AppError} RATE_LIMITED
   */
  connect(owner: Owner): () => void {
    return this.#count(owner, 'connections');
  }

  #count(owner: Owner, what: 'subscriptions' | 'connections'): () => void {
    const caller = this.#find(owner, performance.now());
    const shares = [caller.tenant, caller];
    if (shares.some((share) => share[what] >= share.limits.subscriptions)) {
      throw rateLimited(`Too many ${what} are open at once. Close one, or try again later.`, 1000);
    }
    for (const share of shares) share[what] += 1;
    return () => {
      for (const share of shares) share[what] -= 1;
    };
  }

  #find({ tenant, caller }: Owner, now: number): Caller {
    let share = this.#tenants.get(tenant);
    if (!share) {
      share = new Tenant(this.#limits.tenant, now);
      this.#tenants.set(tenant, share);
    }
    const key = `${tenant} ${caller}`;
    const known = this.#callers.get(key);
    if (known?.tenant === share) return known;
    const found = new Caller(share, this.#limits.caller, now);
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
      turn: () => {
        const mayGoOn = part < EXPENSIVE || this.#activity.isAlone(tenant, performance.now());
        return mayGoOn ? undefined : this.#turns.take();
      },
      leave: () => {
        for (const end of ends) end();
        this.#note(caller, performance.now());
        if (tenant.waiters > 0) this.#serve(tenant);
      },
    };
  }

  #wait(caller: Caller, cost: number, signal: AbortSignal, now: number): Promise<Admitted> {
    const { tenant, queue } = caller;
    if (queue.length >= MAX_WAITING.caller) throw this.#refusal(caller, now);
    if (tenant.waiters >= MAX_WAITING.tenant) this.#makeRoom(caller, now);
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', giveUp);
        queue.splice(queue.indexOf(waiter), 1);
        tenant.waiters -= 1;
        if (queue.length === 0) tenant.waiting.delete(caller);
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
      const giveUp = () => waiter.refuse(operationEnded());
      signal.addEventListener('abort', giveUp);
      queue.push(waiter);
      tenant.waiters += 1;
      tenant.waiting.add(caller);
      tenant.timer ??= setTimeout(() => this.#check(tenant), CHECK_MS);
    });
  }

  /**
   * Refuses the last operation of the caller with the most waiting ones, so that a few callers cannot keep others out of
   * a full queue.
   * @throws {AppError} RATE_LIMITED if no other caller has more
   */
  #makeRoom(caller: Caller, now: number): void {
    let most = caller;
    for (const other of caller.tenant.waiting) {
      // With equal numbers the callers would take turns in pushing each other out.
      if (other.queue.length > most.queue.length + 1) most = other;
    }
    if (most === caller) throw this.#refusal(caller, now);
    most.queue.at(-1)?.refuse(this.#refusal(most, now));
  }

  /** Admits the operations that have room now, and refuses those that have waited too long. */
  #check(tenant: Tenant): void {
    const now = performance.now();
    this.#serve(tenant);
    for (const caller of tenant.waiting) {
      for (const waiter of caller.queue.filter(({ deadline }) => deadline <= now)) {
        waiter.refuse(this.#refusal(caller, now));
      }
    }
    tenant.timer = tenant.waiters > 0 ? setTimeout(() => this.#check(tenant), CHECK_MS) : undefined;
  }

  #serve(tenant: Tenant): void {
    const now = performance.now();
    // A caller who is moved to the end during the iteration is visited again.
    for (const caller of tenant.waiting) {
      if (!this.#hasRoom(caller, now)) continue;
      caller.queue[0]?.admit(now);
      if (!tenant.waiting.delete(caller)) continue;
      tenant.waiting.add(caller);
    }
  }

  #refusal(caller: Caller, now: number): AppError {
    const ms = Math.max(caller.spentForMs(now), caller.tenant.spentForMs(now), 1000);
    return rateLimited(
      'Too many operations at once, or operations that cost too much. Send fewer, or request less.',
      ms,
    );
  }
}

/** @param ms when to retry, in milliseconds */
export function rateLimited(message: string, ms: number): AppError {
  const retryAfterMs = Math.ceil(ms);
  const headers = { 'retry-after': String(Math.ceil(ms / 1000)) };
  return new AppError('RATE_LIMITED', message, { details: { retryAfterMs, http: { status: 429, headers } } });
}
