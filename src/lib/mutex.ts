/**
 * Creates a mutex: tasks run one at a time, in the order in which they were added. For example, node-postgres expects a
 * statement only after the previous one has been answered. A task that fails does not affect the others.
 */
export function createMutex(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const turn = last.then(task);
    last = turn.catch(() => undefined);
    return turn;
  };
}
