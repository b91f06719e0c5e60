import { Migration } from '@mikro-orm/migrations';

/** What runs did to a tenant stays when the tenant is deleted. */
export default class DeletedTenants extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_run_items ALTER COLUMN tenant_id DROP NOT NULL');
    for (const table of ['migration_run_items', 'migration_records']) {
      this.addSql(`
        ALTER TABLE ${table}
          ADD COLUMN deleted_tenant text,
          DROP CONSTRAINT ${table}_tenant_id_fkey,
          ADD CONSTRAINT ${table}_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE SET NULL`);
      this.addSql(`COMMENT ON COLUMN ${table}.deleted_tenant IS 'The slug that the tenant had, if it is deleted'`);
    }
    // With this, PostgreSQL itself refuses to delete a tenant that a run is still to come to.
    this.addSql(`
      ALTER TABLE migration_run_items ADD CONSTRAINT migration_run_items_tenant_id_check
        CHECK (tenant_id IS NOT NULL OR status NOT IN ('PENDING', 'RUNNING'))`);
  }

  override down(): void {
    this.addSql('DELETE FROM migration_run_items WHERE tenant_id IS NULL');
    this.addSql(`DELETE FROM migration_records WHERE tenant_id IS NULL AND scope = 'TENANT'`);
    this.addSql('ALTER TABLE migration_run_items DROP CONSTRAINT migration_run_items_tenant_id_check');
    for (const table of ['migration_run_items', 'migration_records']) {
      this.addSql(`
        ALTER TABLE ${table}
          DROP COLUMN deleted_tenant,
          DROP CONSTRAINT ${table}_tenant_id_fkey,
          ADD CONSTRAINT ${table}_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE`);
    }
    this.addSql('ALTER TABLE migration_run_items ALTER COLUMN tenant_id SET NOT NULL');
  }
}
