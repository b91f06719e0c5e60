import { Migration } from '@mikro-orm/migrations';

/** With 100,000 tenants, a page of the list in any order, and a search, read only a part of the table. */
export default class LargeCatalog extends Migration {
  override up(): void {
    this.addSql('CREATE INDEX tenants_name_idx ON tenants (name, id)');
    this.addSql('CREATE INDEX tenants_status_idx ON tenants (status, id)');
    this.addSql('CREATE INDEX tenants_last_migrated_at_idx ON tenants (last_migrated_at, id)');
    // Names of migrations are compared as the folder orders them.
    this.addSql('ALTER TABLE tenants ADD COLUMN version text COLLATE "C"');
    this.addSql(
      `COMMENT ON COLUMN tenants.version IS 'The version of its migration_state, for lists in this order; a trigger sets it'`,
    );
    this.addSql('UPDATE tenants t SET version = s.version FROM migration_states s WHERE s.id = t.migration_state');
    this.addSql(`
      CREATE FUNCTION keep_tenant_version() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        new.version := (SELECT version FROM migration_states WHERE id = new.migration_state);
        RETURN new;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_keep_version BEFORE INSERT OR UPDATE OF migration_state ON tenants
        FOR EACH ROW EXECUTE FUNCTION keep_tenant_version()`);
    this.addSql('CREATE INDEX tenants_version_idx ON tenants (version, id)');
    // Parts of texts are found by groups of three characters. A server without the extension, or whose role may not add it, reads the
    // whole table instead.
    this.addSql(`
      DO $$
      BEGIN
        IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
          CREATE EXTENSION IF NOT EXISTS pg_trgm;
          CREATE INDEX tenants_search_idx ON tenants USING gin (slug gin_trgm_ops, name gin_trgm_ops, host gin_trgm_ops);
        END IF;
      EXCEPTION WHEN insufficient_privilege THEN
        NULL;
      END $$`);
  }

  override down(): void {
    this.addSql('DROP INDEX IF EXISTS tenants_search_idx');
    this.addSql('DROP TRIGGER tenants_keep_version ON tenants');
    this.addSql('DROP FUNCTION keep_tenant_version()');
    this.addSql('ALTER TABLE tenants DROP COLUMN version');
    this.addSql('DROP INDEX tenants_last_migrated_at_idx, tenants_status_idx, tenants_name_idx');
  }
}
