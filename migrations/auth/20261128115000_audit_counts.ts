import { Migration } from '@mikro-orm/migrations';

/**
 * Equal entries of one minute are one row with a count, so that nobody fills the audit log by repeating what is refused.
 * The count grows within that minute. Everything else about a row still cannot be changed or removed.
 */
export default class AuditCounts extends Migration {
  override up(): void {
    this.addSql(`
      ALTER TABLE audit_log
        ADD COLUMN count integer NOT NULL DEFAULT 1,
        ADD COLUMN last_at timestamptz(3),
        ADD COLUMN repeat_key text CONSTRAINT audit_log_repeat_key_key UNIQUE`);
    this.addSql(
      `COMMENT ON COLUMN audit_log.last_at IS 'When it happened the last time, if it happened more than once'`,
    );
    this.addSql(`COMMENT ON COLUMN audit_log.repeat_key IS
      'The minute in UTC, a space, and a hash of what makes entries equal; null for an entry that stands alone'`);
    this.addSql('DROP TRIGGER audit_log_append_only ON audit_log');
    this.addSql(`
      CREATE TRIGGER audit_log_append_only BEFORE DELETE OR TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`);
    this.addSql(`
      CREATE FUNCTION allow_audit_count() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        otherwise audit_log := new;
      BEGIN
        otherwise.count := old.count;
        otherwise.last_at := old.last_at;
        IF otherwise IS NOT DISTINCT FROM old
          AND new.count > old.count
          AND new.last_at >= coalesce(old.last_at, old.at)
          AND split_part(old.repeat_key, ' ', 1) = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI')
        THEN
          RETURN new;
        END IF;
        RAISE insufficient_privilege USING
          MESSAGE = 'rows of audit_log are only added; no more than the count of a row can grow, in the minute of the row';
      END $$`);
    this.addSql(`
      CREATE TRIGGER audit_log_count_only BEFORE UPDATE ON audit_log
        FOR EACH ROW EXECUTE FUNCTION allow_audit_count()`);
    for (const trigger of ['audit_log_append_only', 'audit_log_count_only']) {
      this.addSql(`ALTER TABLE audit_log ENABLE ALWAYS TRIGGER ${trigger}`);
    }
    this.addSql(forEachGrantee('GRANT UPDATE (count, last_at) ON audit_log TO %I'));
  }

  override down(): void {
    this.addSql(forEachGrantee('REVOKE UPDATE (count, last_at) ON audit_log FROM %I'));
    this.addSql('DROP TRIGGER audit_log_count_only ON audit_log');
    this.addSql('DROP FUNCTION allow_audit_count()');
    this.addSql('DROP TRIGGER audit_log_append_only ON audit_log');
    this.addSql(`
      CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`);
    this.addSql('ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only');
    this.addSql('ALTER TABLE audit_log DROP COLUMN count, DROP COLUMN last_at, DROP COLUMN repeat_key');
  }
}

/** SQL that executes a statement for each role, other than the owner, that may add to the audit log. */
function forEachGrantee(statement: string): string {
  return `
    DO $$ DECLARE grantee text; BEGIN
      FOR grantee IN
        SELECT DISTINCT rolname FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'audit_log'::regclass AND a.grantee <> c.relowner AND a.privilege_type = 'INSERT'
      LOOP
        EXECUTE format('${statement}', grantee);
      END LOOP;
    END $$`;
}
