import { Migration } from '@mikro-orm/migrations';

/**
 * A run with nothing to do inserts an item for each tenant of the fleet, and all of them are skipped. To put them into the index of
 * statuses, and to lock each tenant so that none is removed meanwhile, took more than a quarter of that time. Lists of skipped items are
 * found in order of their position instead, and a removal waits until runs that are being started have their items.
 */
export default class CheapItems extends Migration {
  override up(): void {
    this.addSql('DROP INDEX migration_run_items_status_idx');
    this.addSql(`CREATE INDEX migration_run_items_status_idx ON migration_run_items (run_id, status, position)
      WHERE status <> 'SKIPPED'`);
    // The number is `lockKind.items`. A run that starts later sees that the tenant is being removed, so the lock is released at once:
    // a removal that hangs must not delay others. It is awaited before the row is locked, because the start of a run locks rows too.
    this.addSql(`
      CREATE FUNCTION await_items_of_tenants() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_lock(7016, 0);
        PERFORM pg_advisory_unlock(7016, 0);
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_await_items BEFORE DELETE ON tenants
        FOR EACH STATEMENT EXECUTE FUNCTION await_items_of_tenants()`);
    this.addSql(forgetTenant(', deleted_tenant = old.slug'));
  }

  override down(): void {
    this.addSql('DROP TRIGGER tenants_await_items ON tenants');
    this.addSql('DROP FUNCTION await_items_of_tenants()');
    this.addSql(forgetTenant(''));
    this.addSql('DROP INDEX migration_run_items_status_idx');
    this.addSql('CREATE INDEX migration_run_items_status_idx ON migration_run_items (run_id, status, position)');
  }
}

function forgetTenant(more: string): string {
  return `
    CREATE OR REPLACE FUNCTION forget_tenant_of_items() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE migration_run_items SET tenant_id = NULL${more} WHERE tenant_id = old.id;
      RETURN NULL;
    END $$`;
}
