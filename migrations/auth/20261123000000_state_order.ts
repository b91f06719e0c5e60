import { Migration } from '@mikro-orm/migrations';

export default class StateOrder extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE tenants ADD COLUMN migration_state_seen_at timestamptz');
    this.addSql(`COMMENT ON COLUMN tenants.migration_state_seen_at IS
      'When the tenant was found in that state, by the clock of its server: what was found earlier is not written over it'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE tenants DROP COLUMN migration_state_seen_at');
  }
}
