import { Migration } from '@mikro-orm/migrations';

/** How many connections each process may hold, so that processes can divide what a server has. */
export default class ConnectionBudgets extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE connection_budgets (
        instance integer NOT NULL,
        server text NOT NULL,
        connections integer NOT NULL CHECK (connections >= 0),
        wanted integer CHECK (wanted >= 0),
        PRIMARY KEY (instance, server)
      )`);
    this.addSql(`COMMENT ON TABLE connection_budgets IS
      'How many connections each process may hold to a server; rows of processes that have ended without their liveness lock count for nothing'`);
    this.addSql(`COMMENT ON COLUMN connection_budgets.wanted IS
      'How many it has use for; null if its budget is fixed by the settings'`);
  }

  override down(): void {
    this.addSql('DROP TABLE connection_budgets');
  }
}
