import { Migration } from '@mikro-orm/migrations';

export default class Servers extends Migration {
  override up(): void {
    this.addSql(`
      ALTER TABLE servers
        ADD COLUMN system_identifier text CONSTRAINT servers_system_identifier_key UNIQUE,
        ADD CONSTRAINT servers_name_check CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
        ADD CONSTRAINT servers_url_check CHECK (CASE WHEN name = 'default' THEN url IS NULL ELSE url ~ '^sealed-' END),
        ADD CONSTRAINT servers_connection_budget_check CHECK (connection_budget BETWEEN 5 AND 10000)`);
    this.addSql(`COMMENT ON COLUMN servers.url IS
      'Encrypted with a key derived from ROLE_SECRET, for it holds a password; null for default, which the settings name'`);
    this.addSql(`COMMENT ON COLUMN servers.system_identifier IS
      'What PostgreSQL calls itself (pg_control_system), so that no server is added twice; null for default'`);
    this.addSql(`
      CREATE FUNCTION notify_servers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NOTIFY servers;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER servers_changed AFTER INSERT OR UPDATE OR DELETE ON servers
        FOR EACH STATEMENT EXECUTE FUNCTION notify_servers_changed()`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER servers_changed ON servers');
    this.addSql('DROP FUNCTION notify_servers_changed()');
    this.addSql('COMMENT ON COLUMN servers.url IS NULL');
    this.addSql(`
      ALTER TABLE servers
        DROP CONSTRAINT servers_connection_budget_check,
        DROP CONSTRAINT servers_url_check,
        DROP CONSTRAINT servers_name_check,
        DROP COLUMN system_identifier`);
  }
}
