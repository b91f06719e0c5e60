import { Migration } from '@mikro-orm/migrations';

/** The fourth line of migrations, `common`, and what each database that holds tenants has of it. */
export default class Common extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_records DROP CONSTRAINT migration_records_scope_check');
    this.addSql(`
      ALTER TABLE migration_records ADD CONSTRAINT migration_records_scope_check
        CHECK (scope IN ('AUTH', 'CONSTANTS', 'COMMON', 'TENANT'))`);
    this.addSql(`
      CREATE TABLE common_states (
        server text NOT NULL REFERENCES servers ON DELETE CASCADE,
        database text NOT NULL,
        migration_state text NOT NULL REFERENCES migration_states,
        seen_at timestamptz NOT NULL,
        PRIMARY KEY (server, database)
      )`);
  }

  override down(): void {
    this.addSql('DROP TABLE common_states');
    this.addSql(`DELETE FROM migration_records WHERE scope = 'COMMON'`);
    this.addSql('ALTER TABLE migration_records DROP CONSTRAINT migration_records_scope_check');
    this.addSql(`
      ALTER TABLE migration_records ADD CONSTRAINT migration_records_scope_check
        CHECK (scope IN ('AUTH', 'CONSTANTS', 'TENANT'))`);
  }
}
