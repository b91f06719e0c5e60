import { Migration } from '@mikro-orm/migrations';

/**
 * Which tenants changed since a moment, so that a page that shows the whole fleet asks only for those. A transaction's number is
 * known before it commits, and a snapshot says which transactions had committed: a counter would hide a transaction that took
 * its number early and committed late.
 */
export default class TenantChanges extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE tenants ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id()');
    this.addSql(`COMMENT ON COLUMN tenants.changed_in IS
      'The transaction that last changed what fleetCells shows of the tenant'`);
    this.addSql('CREATE INDEX tenants_changed_in_idx ON tenants (changed_in)');
    this.addSql(`
      CREATE FUNCTION mark_tenant_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        new.changed_in := pg_current_xact_id();
        RETURN new;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_mark_changed
        BEFORE UPDATE OF slug, status, isolation, server, migration_state ON tenants
        FOR EACH ROW WHEN (
          (old.slug, old.status, old.isolation, old.server, old.migration_state)
          IS DISTINCT FROM (new.slug, new.status, new.isolation, new.server, new.migration_state))
        EXECUTE FUNCTION mark_tenant_changed()`);
    this.addSql(`
      CREATE TABLE tenant_deletions (
        tenant_id uuid PRIMARY KEY,
        changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
        deleted_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    this.addSql(`COMMENT ON TABLE tenant_deletions IS
      'The tenants deleted in the last two days or longer. Rows are removed when later tenants are deleted.'`);
    this.addSql('CREATE INDEX tenant_deletions_changed_in_idx ON tenant_deletions (changed_in)');
    this.addSql('CREATE INDEX tenant_deletions_deleted_at_idx ON tenant_deletions (deleted_at)');
    // SKIP LOCKED: two deletions at once must not wait for each other's old rows.
    this.addSql(`
      CREATE FUNCTION record_tenant_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO tenant_deletions (tenant_id) VALUES (old.id)
          ON CONFLICT (tenant_id) DO UPDATE SET changed_in = excluded.changed_in, deleted_at = excluded.deleted_at;
        DELETE FROM tenant_deletions WHERE tenant_id IN (
          SELECT tenant_id FROM tenant_deletions WHERE deleted_at < now() - interval '2 days'
          ORDER BY deleted_at LIMIT 10 FOR UPDATE SKIP LOCKED);
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_record_deletion AFTER DELETE ON tenants
        FOR EACH ROW EXECUTE FUNCTION record_tenant_deletion()`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER tenants_record_deletion ON tenants');
    this.addSql('DROP FUNCTION record_tenant_deletion()');
    this.addSql('DROP TABLE tenant_deletions');
    this.addSql('DROP TRIGGER tenants_mark_changed ON tenants');
    this.addSql('DROP FUNCTION mark_tenant_changed()');
    this.addSql('ALTER TABLE tenants DROP COLUMN changed_in');
  }
}
