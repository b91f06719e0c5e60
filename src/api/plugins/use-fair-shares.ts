import { type ExecutionArgs, type ExecutionResult, getOperationAST, OperationTypeNode } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { AppError } from '../../lib/errors.ts';
import { OperationScope, operationEnded } from '../../routing/operation-scope.ts';
import { toClientError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import type { Admission, Admitted } from '../shares/admission.ts';
import { costOf } from './use-cost-limit.ts';

/**
 * Runs each operation within the share of its tenant and caller. When the client disconnects, no further fields are
 * resolved. The running statements of a query are cancelled too; a field of a mutation that has started runs to its
 * end, so that it is never half done.
 */
export function shareFairly(admission: Admission): Plugin<RequestContext> {
  return {
    onExecute({ executeFn, setExecuteFn, args: { contextValue } }) {
      setExecuteFn((args) => execute(admission, executeFn, args, contextValue));
    },
    onSubscribe({ subscribeFn, setSubscribeFn, args: { contextValue } }) {
      setSubscribeFn((args) => subscribe(admission, subscribeFn, args, contextValue));
    },
  };
}

type Run<Result> = (args: ExecutionArgs) => Result | Promise<Result>;

async function execute(
  admission: Admission,
  run: Run<ExecutionResult>,
  args: ExecutionArgs,
  context: RequestContext,
): Promise<ExecutionResult> {
  const { shareOwner, clientGone } = context;
  const { cost } = costOf(args);
  let admitted: Admitted | undefined;
  const isCancellable = getOperationAST(args.document, args.operationName)?.operation === OperationTypeNode.QUERY;
  const share = { charge: (ms: number) => admitted?.charge(ms), turn: () => admitted?.turn() };
  const scope = new OperationScope(share, { keepsConnection: !isCancellable });
  const stop = new Stop();
  const end = () => {
    stop.stop();
    if (isCancellable) scope.end();
  };
  try {
    if (clientGone.aborted) throw operationEnded();
    const entered = shareOwner ? admission.enter(shareOwner, cost, clientGone) : admission.enterAsAdmin();
    admitted = entered instanceof Promise ? await entered : entered;
    clientGone.addEventListener('abort', end);
    // The executor only uses the parts of a signal that `Stop` implements.
    const result = await scope.run(() => run(Object.assign(args, { signal: stop })));
    // Later errors of its fields no longer matter to anyone.
    if (isCancellable && clientGone.aborted) throw operationEnded();
    return result;
  } catch (error) {
    // Returned instead of thrown, so that the operation is logged and its leases end.
    if (error instanceof AppError) return { errors: [toClientError(error, context.requestId, context.log)] };
    throw error;
  } finally {
    clientGone.removeEventListener('abort', end);
    // After one field has failed, others may still be running although nobody needs their results.
    end();
    scope.releaseKept();
    scope.whenReleased(() => admitted?.leave());
  }
}

/**
 * Stops an operation between two resolvers. With a real signal the executor would give up at once while resolvers are
 * still running, and the share would be free before the work has ended.
 */
class Stop {
  #isStopped = false;

  stop(): void {
    this.#isStopped = true;
  }

  throwIfAborted(): void {
    // Created here, because every operation stops in the end and few have something left to stop.
    if (this.#isStopped) throw operationEnded();
  }

  addEventListener(): void {}
  removeEventListener(): void {}
}

type Events = AsyncIterableIterator<ExecutionResult>;

async function subscribe(
  admission: Admission,
  run: Run<Events | ExecutionResult>,
  args: ExecutionArgs,
  { shareOwner, clientGone }: RequestContext,
): Promise<Events | ExecutionResult> {
  if (!shareOwner) return run(args);
  const end = admission.subscribe(shareOwner);
  let result: Events | ExecutionResult | undefined;
  try {
    const admitted = await admission.enter(shareOwner, costOf(args).cost, clientGone);
    try {
      result = await run(args);
    } finally {
      admitted.leave();
    }
  } finally {
    if (!isAsyncIterable(result)) end();
  }
  return isAsyncIterable(result) ? whenOver(result, end) : result;
}

/** Calls `over` once, when the events have ended for any reason. */
function whenOver(events: Events, over: () => void): Events {
  const source = events[Symbol.asyncIterator]();
  let isOver = false;
  const finish = () => {
    if (!isOver) over();
    isOver = true;
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const next = await source.next();
        if (next.done) finish();
        return next;
      } catch (error) {
        finish();
        throw error;
      }
    },
    async return() {
      finish();
      return (await source.return?.()) ?? { done: true, value: undefined };
    },
  };
}
