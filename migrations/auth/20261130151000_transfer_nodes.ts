import { Migration } from '@mikro-orm/migrations';

/** Moves to another node of a Citus cluster: the tenant stays in its database and schema, whose tables move. */
export default class TransferNodes extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE tenant_transfers ADD COLUMN from_node text, ADD COLUMN to_node text');
    this.addSql(`COMMENT ON COLUMN tenant_transfers.to_node IS
      'The node of the Citus cluster, as host:port, to which the tables move; the place stays the same. Null for all other transfers'`);
    this.addSql(
      `COMMENT ON COLUMN tenant_transfers.from_node IS 'The node that had the tables; null unless to_node is set'`,
    );
  }

  override down(): void {
    this.addSql('ALTER TABLE tenant_transfers DROP COLUMN from_node, DROP COLUMN to_node');
  }
}
