/**
 * Settings of the tests' PostgreSQL servers. They leave out what protects the data of a machine that loses its power, and
 * processes that tests of a few seconds do not need: starting one costs more than most queries.
 */
export const testSettings: Readonly<Record<string, string>> = {
  fsync: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  wal_init_zero: 'off',
  shared_buffers: '16MB',
  io_method: 'sync',
  autovacuum: 'off',
  max_logical_replication_workers: '0',
  huge_pages: 'off',
};

/**
 * Further settings of a server that a test ends as a crash does, or that doctor should find nothing wrong with. With the `wal_level`
 * above, PostgreSQL does not log what a sequence has given in the transaction that made it, and after a crash gives the same numbers
 * again.
 */
export const durableSequences: Readonly<Record<string, string>> = { wal_level: 'replica' };
