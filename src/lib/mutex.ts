/**
 * Makes tasks wait for each other, such as the statements of several callers over one connection: node-postgres wants to be
 * asked for the next one when the one before has been answered. A task that fails stops no other.
 */
export function createMutex(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const turn = last.then(task);
    last = turn.catch(() => undefined);
    return turn;
  };
}
