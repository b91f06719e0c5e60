import { Migration } from '@mikro-orm/migrations';

/** A run tells which of its failed tenants are as they were before, and which somebody has to look at. */
export default class ItemsNeedingAttention extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_run_items ADD COLUMN needs_attention boolean NOT NULL DEFAULT false');
    this.addSql(`COMMENT ON COLUMN migration_run_items.needs_attention IS
      'It failed, and is not as it was before: somebody has to look at the tenant'`);
    // A run that failed earlier says so in words only.
    this.addSql(`
      UPDATE migration_run_items SET needs_attention = true
      WHERE status = 'FAILED' AND error LIKE '%needs attention%'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE migration_run_items DROP COLUMN needs_attention');
  }
}
