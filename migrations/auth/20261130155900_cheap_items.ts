import { Migration } from '@mikro-orm/migrations';

/**
 * A run with nothing to do inserts an item for each tenant of the fleet, and all of them are skipped. To put them into the index of
 * statuses, and to lock each tenant so that none is removed meanwhile, took more than a quarter of that time. Lists of skipped items are
 * found in order of their position instead, and a removal waits for runs that are being started by a lock of its own.
 */
export default class CheapItems extends Migration {
  override up(): void {
    this.addSql('DROP INDEX migration_run_items_status_idx');
    this.addSql(`CREATE INDEX migration_run_items_status_idx ON migration_run_items (run_id, status, position)
      WHERE status <> 'SKIPPED'`);
    // The number is `lockKind.items`. It is taken before the rows, as the start of a run does.
    this.addSql(`
      CREATE FUNCTION await_items_of_tenants() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(7016, 0);
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_await_items BEFORE DELETE ON tenants
        FOR EACH STATEMENT EXECUTE FUNCTION await_items_of_tenants()`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER tenants_await_items ON tenants');
    this.addSql('DROP FUNCTION await_items_of_tenants()');
    this.addSql('DROP INDEX migration_run_items_status_idx');
    this.addSql('CREATE INDEX migration_run_items_status_idx ON migration_run_items (run_id, status, position)');
  }
}
