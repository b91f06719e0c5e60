import { Migration } from '@mikro-orm/migrations';

/** Records that are deleted when they have reached an age; see RUN_EVENT_RETENTION_DAYS and the settings after it. */
export default class Retention extends Migration {
  override up(): void {
    this.addSql(`
      ALTER TABLE migration_runs
        ADD COLUMN events_dropped_at timestamptz(3),
        ADD COLUMN items_dropped_at timestamptz(3)`);
    this.addSql(`COMMENT ON COLUMN migration_runs.items_dropped_at IS
      'When the deletion of its old items began; it can be neither resumed nor undone since then'`);
    this.addSql('CREATE INDEX migration_runs_ended_at_idx ON migration_runs (ended_at)');
    this.addSql(`CREATE INDEX migration_records_deleted_idx ON migration_records (applied_at)
      WHERE deleted_tenant IS NOT NULL`);
    this.addSql('CREATE INDEX invitations_expires_at_idx ON invitations (expires_at)');
    this.addSql(`CREATE INDEX audit_log_sign_ins_idx ON audit_log (at)
      WHERE action IN ('login', 'logout', 'register', 'switchTenant')`);
    this.addSql('DROP TRIGGER audit_log_append_only ON audit_log');
    this.addSql(`
      CREATE TRIGGER audit_log_append_only BEFORE TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`);
    // Whatever the settings say, nobody can make the server delete what happened lately.
    this.addSql(`
      CREATE FUNCTION allow_audit_retention() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF current_setting('tenantry.audit_retention', true) = 'on' AND old.at < now() - interval '30 days' THEN
          RETURN old;
        END IF;
        RAISE insufficient_privilege USING MESSAGE = 'rows of audit_log are only added, never changed or removed';
      END $$`);
    this.addSql(`
      CREATE TRIGGER audit_log_old_only BEFORE DELETE ON audit_log
        FOR EACH ROW EXECUTE FUNCTION allow_audit_retention()`);
    this.addSql(`
      CREATE TRIGGER audit_log_retention_only BEFORE DELETE ON audit_log
        FOR EACH STATEMENT WHEN (current_setting('tenantry.audit_retention', true) IS DISTINCT FROM 'on')
        EXECUTE FUNCTION refuse_audit_change()`);
    for (const trigger of ['audit_log_append_only', 'audit_log_old_only', 'audit_log_retention_only']) {
      this.addSql(`ALTER TABLE audit_log ENABLE ALWAYS TRIGGER ${trigger}`);
    }
  }

  override down(): void {
    this.addSql('DROP TRIGGER audit_log_retention_only ON audit_log');
    this.addSql('DROP TRIGGER audit_log_old_only ON audit_log');
    this.addSql('DROP FUNCTION allow_audit_retention()');
    this.addSql('DROP TRIGGER audit_log_append_only ON audit_log');
    this.addSql(`
      CREATE TRIGGER audit_log_append_only BEFORE DELETE OR TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`);
    this.addSql('ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only');
    for (const index of [
      'audit_log_sign_ins_idx',
      'invitations_expires_at_idx',
      'migration_records_deleted_idx',
      'migration_runs_ended_at_idx',
    ]) {
      this.addSql(`DROP INDEX ${index}`);
    }
    this.addSql('ALTER TABLE migration_runs DROP COLUMN items_dropped_at, DROP COLUMN events_dropped_at');
  }
}
