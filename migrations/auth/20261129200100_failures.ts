import { Migration } from '@mikro-orm/migrations';

/** Failures are grouped by what they have in common, and tenants are listed by when they were last migrated. */
export default class Failures extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_run_items ADD COLUMN failure jsonb');
    this.addSql(`COMMENT ON COLUMN migration_run_items.failure IS
      'If it failed: error, code, migration and statement, without the tenant''s own words'`);
    this.addSql('ALTER TABLE tenants ADD COLUMN last_migrated_at timestamptz(3)');
    this.addSql(`COMMENT ON COLUMN tenants.last_migrated_at IS
      'When its list of migrations last changed, according to the catalog'`);
    this.addSql(`
      UPDATE tenants t SET last_migrated_at = r.at FROM (
        SELECT tenant_id, max(applied_at) AS at FROM migration_records
        WHERE scope = 'TENANT' AND status IN ('APPLIED', 'REVERTED') GROUP BY tenant_id) r
      WHERE r.tenant_id = t.id`);
    this.addSql(
      'UPDATE tenants SET last_migrated_at = created_at WHERE last_migrated_at IS NULL AND migration_state IS NOT NULL',
    );
    this.addSql(`
      CREATE FUNCTION mark_tenant_migrated() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        new.last_migrated_at := now();
        RETURN new;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_mark_migrated BEFORE UPDATE OF migration_state ON tenants
        FOR EACH ROW WHEN (new.migration_state IS NOT NULL AND old.migration_state IS DISTINCT FROM new.migration_state)
        EXECUTE FUNCTION mark_tenant_migrated()`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER tenants_mark_migrated ON tenants');
    this.addSql('DROP FUNCTION mark_tenant_migrated()');
    this.addSql('ALTER TABLE tenants DROP COLUMN last_migrated_at');
    this.addSql('ALTER TABLE migration_run_items DROP COLUMN failure');
  }
}
