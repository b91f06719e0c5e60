import { Migration } from '@mikro-orm/migrations';

/** Checkpoints of tenants with a schema, which are built while the tenant is served. */
export default class SchemaCheckpoints extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE checkpoints ADD COLUMN building_by integer');
    this.addSql(`COMMENT ON COLUMN checkpoints.building_by IS
      'The process that is copying the tenant into the database, alive as long as it holds its advisory lock. It cannot be restored yet'`);
  }

  override down(): void {
    this.addSql('UPDATE checkpoints SET is_dropping = true WHERE building_by IS NOT NULL');
    this.addSql('ALTER TABLE checkpoints DROP COLUMN building_by');
  }
}
