import { Migration } from '@mikro-orm/migrations';

/** Sessions, the count of attempts to sign in, the audit log, and news of people and memberships that change. */
export default class Accounts extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE sessions (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        tenant_id uuid REFERENCES tenants (id) ON DELETE SET NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL
      )`);
    this.addSql(`COMMENT ON TABLE sessions IS 'Who is signed in; a session that ends is deleted'`);
    this.addSql('CREATE INDEX sessions_user_id_idx ON sessions (user_id)');
    this.addSql('CREATE INDEX sessions_tenant_id_idx ON sessions (tenant_id)');
    this.addSql('CREATE INDEX sessions_expires_at_idx ON sessions (expires_at)');
    this.addSql(`
      CREATE TABLE refresh_tokens (
        hash bytea PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        used_at timestamptz(3)
      )`);
    this.addSql(`COMMENT ON TABLE refresh_tokens IS
      'Each token that a session was given, as its SHA-256. One is used once: if it comes again, somebody has stolen it'`);
    this.addSql('CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id)');
    this.addSql(`
      CREATE TABLE login_attempts (
        key varchar(255) PRIMARY KEY,
        points integer NOT NULL DEFAULT 0,
        expire bigint
      )`);
    this.addSql(
      `COMMENT ON TABLE login_attempts IS 'Counters of rate-limiter-flexible, in the form that it prescribes'`,
    );
    this.notifications();
    this.auditLog();
  }

  private notifications(): void {
    this.addSql(`
      CREATE FUNCTION notify_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('users', old.id::text);
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER users_changed AFTER UPDATE OF email, active, is_platform_admin OR DELETE ON users
        FOR EACH ROW EXECUTE FUNCTION notify_user_changed()`);
    this.addSql(`
      CREATE FUNCTION notify_session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('users', old.user_id::text);
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER sessions_ended AFTER DELETE ON sessions
        FOR EACH ROW EXECUTE FUNCTION notify_session_ended()`);
    this.addSql(`
      CREATE FUNCTION notify_membership_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF tg_op <> 'INSERT' THEN PERFORM pg_notify('memberships', old.user_id || ' ' || old.tenant_id); END IF;
        IF tg_op <> 'DELETE' THEN PERFORM pg_notify('memberships', new.user_id || ' ' || new.tenant_id); END IF;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER memberships_changed AFTER INSERT OR UPDATE OR DELETE ON memberships
        FOR EACH ROW EXECUTE FUNCTION notify_membership_changed()`);
  }

  private auditLog(): void {
    this.addSql(`
      CREATE TABLE audit_log (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz(3) NOT NULL DEFAULT now(),
        actor text NOT NULL,
        user_id uuid,
        action text NOT NULL,
        tenant_id uuid,
        outcome text NOT NULL,
        address text,
        request_id text,
        details text
      )`);
    this.addSql(`COMMENT ON TABLE audit_log IS
      'Who did what; rows are only added. It refers to no other table, so that it outlives whom it is about'`);
    this.addSql(`COMMENT ON COLUMN audit_log.outcome IS 'OK, or the code of the error'`);
    this.addSql('CREATE INDEX audit_log_tenant_id_idx ON audit_log (tenant_id, id)');
    this.addSql(`
      CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE insufficient_privilege USING MESSAGE = 'rows of audit_log are only added, never changed or removed';
      END $$`);
    this.addSql(`
      CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`);
    // Default privileges have given the server's role the rights that it has on other tables.
    this.addSql(`
      DO $$ DECLARE grantee text; BEGIN
        FOR grantee IN
          SELECT DISTINCT rolname FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
          WHERE c.oid = 'audit_log'::regclass AND a.grantee <> c.relowner
        LOOP
          EXECUTE format('REVOKE ALL ON audit_log FROM %1$I', grantee);
          EXECUTE format('GRANT SELECT, INSERT ON audit_log TO %1$I', grantee);
        END LOOP;
      END $$`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER memberships_changed ON memberships');
    this.addSql('DROP TRIGGER users_changed ON users');
    for (const table of ['audit_log', 'login_attempts', 'refresh_tokens', 'sessions']) {
      this.addSql(`DROP TABLE ${table}`);
    }
    for (const name of [
      'refuse_audit_change',
      'notify_membership_changed',
      'notify_session_ended',
      'notify_user_changed',
    ]) {
      this.addSql(`DROP FUNCTION ${name}()`);
    }
  }
}
