import { Migration } from '@mikro-orm/migrations';

/**
 * A run inserts an item for each tenant of the fleet. Checking each row's foreign keys takes most of that time and proves
 * nothing: the statement has locked the tenants, and its transaction has inserted the run. What the keys did when a tenant or a
 * run is deleted, triggers do.
 */
export default class ItemsWithoutChecks extends Migration {
  override up(): void {
    this.addSql(`
      ALTER TABLE migration_run_items
        DROP CONSTRAINT migration_run_items_run_id_fkey,
        DROP CONSTRAINT migration_run_items_tenant_id_fkey`);
    this.addSql(`
      CREATE FUNCTION forget_tenant_of_items() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE migration_run_items SET tenant_id = NULL WHERE tenant_id = old.id;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_forget_items AFTER DELETE ON tenants
        FOR EACH ROW EXECUTE FUNCTION forget_tenant_of_items()`);
    this.addSql(`
      CREATE FUNCTION delete_items_of_run() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        DELETE FROM migration_run_items WHERE run_id = old.id;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER migration_runs_delete_items AFTER DELETE ON migration_runs
        FOR EACH ROW EXECUTE FUNCTION delete_items_of_run()`);
    // One index for both purposes.
    this.addSql(
      'CREATE UNIQUE INDEX migration_run_items_tenant_id_run_id_key ON migration_run_items (tenant_id, run_id)',
    );
    this.addSql('ALTER TABLE migration_run_items DROP CONSTRAINT migration_run_items_run_id_tenant_id_key');
    this.addSql('DROP INDEX migration_run_items_tenant_id_idx');
  }

  override down(): void {
    this.addSql('CREATE INDEX migration_run_items_tenant_id_idx ON migration_run_items (tenant_id)');
    this.addSql('ALTER TABLE migration_run_items ADD UNIQUE (run_id, tenant_id)');
    this.addSql('DROP INDEX migration_run_items_tenant_id_run_id_key');
    this.addSql('DROP TRIGGER migration_runs_delete_items ON migration_runs');
    this.addSql('DROP FUNCTION delete_items_of_run()');
    this.addSql('DROP TRIGGER tenants_forget_items ON tenants');
    this.addSql('DROP FUNCTION forget_tenant_of_items()');
    this.addSql(`
      ALTER TABLE migration_run_items
        ADD CONSTRAINT migration_run_items_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE SET NULL,
        ADD CONSTRAINT migration_run_items_run_id_fkey FOREIGN KEY (run_id) REFERENCES migration_runs (id) ON DELETE CASCADE`);
  }
}
